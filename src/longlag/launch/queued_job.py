"""A job of a grid on its way to the process that runs it."""

from dataclasses import dataclass, field, replace

from hydra.core.utils import env_override
from rich.console import Console

from longlag.errors import RequestError
from longlag.jobs.alone import run_alone
from longlag.jobs.job import Job
from longlag.jobs.messages import OrderedJob
from longlag.runs import DamagedRunError
from longlag.runs.status import now
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
        kind: what it shares with the jobs that may train in one population with it; empty if it trains alone.
        fail_fast: whether the grid stops if it fails.
        since: the time at which it was queued.

    """

    number: int
    job: Job
    title: str
    place: str
    processes: int
    environment: dict[str, str]
    kind: str = ""
    fail_fast: bool = False
    since: str = field(default_factory=now)

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
                return run_alone(self.job, console, self.place).state
        except RequestError as error:
            return self.refused(console, error)

    def refused(self, console: Console, error: RequestError) -> str:
        """Print why the job was a wrong request, and return its state."""
        print_line(console, f"{self.place}longlag: {error}")
        return "refused"

    def resumed(self) -> "QueuedJob":
        """Return it as it goes on where a process that has begun it was cut: its run is not set aside again."""
        try:
            status = self.job.folder.read_status()
        except DamagedRunError:
            return self
        begun = status is not None and status.started >= self.since
        return replace(self, job=replace(self.job, fresh=False)) if begun else self

    def order(self) -> OrderedJob:
        """Return the job as a worker of this machine takes it."""
        job = self.job
        return OrderedJob(job.settings, str(job.folder.path), job.fresh, self.place)
