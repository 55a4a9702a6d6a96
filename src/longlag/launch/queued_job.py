"""A job of a grid on its way to the process that runs it."""

from dataclasses import dataclass

from hydra.core.utils import env_override
from rich.console import Console

from longlag.errors import RequestError
from longlag.jobs.job import Job
from longlag.jobs.messages import Order
from longlag.terminal import print_line


@dataclass(frozen=True)
class QueuedJob:
    """A job that has been checked, with everything that a process on the same disk needs to run it.

    Args:
        number: its place in its batch, from 0.
        job: the job.
        title: names it for a person.
        place: its place in the grid, for its line.
        processes: the number of processes that it wants on each machine.
        environment: variables that are set while it runs.

    """

    number: int
    job: Job
    title: str
    place: str
    processes: int
    environment: dict[str, str]

    @property
    def name(self) -> str:
        """The beginning of each line about this job."""
        return f"{self.place}{self.title}"

    def run(self, console: Console) -> str:
        """Run the job in this process, print a line about its end, and return the state of the run.

        Raises:
            KeyboardInterrupt: the run was interrupted; its status says so.

        """
        try:
            with env_override(self.environment):
                return self.job.run(console, self.place).state
        except RequestError as error:
            print_line(console, f"{self.place}longlag: {error}")
            return "refused"

    def order(self) -> Order:
        """Return the job as a worker of this machine takes it."""
        job = self.job
        return Order(job.settings, str(job.folder.path), job.fresh, self.place, self.processes, self.environment)
