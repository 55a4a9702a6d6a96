"""What one process trains: a job alone, or several that form a population."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from hydra.core.utils import env_override
from rich.console import Console

from longlag.errors import RequestError
from longlag.jobs.job import Job
from longlag.jobs.messages import Order
from longlag.jobs.population import Member, Outcome, Watch, run_population
from longlag.launch.queued_job import QueuedJob
from longlag.terminal import print_line
from longlag.training.run_parts import RunParts


@dataclass(frozen=True)
class Assignment:
    """What one process trains, with everything that a process on the same disk needs for it.

    Args:
        jobs: one that trains alone, or the members of a population.
        at_once: the most members that train at once.

    """

    jobs: tuple[QueuedJob, ...]
    at_once: int = 1

    @property
    def alone(self) -> bool:
        """Whether this is one job that trains alone."""
        return len(self.jobs) == 1

    @property
    def title(self) -> str:
        """Names it for a person: a population by what its members share."""
        return self.jobs[0].title if self.alone else population_title(self.jobs[0].job)

    @property
    def name(self) -> str:
        """The beginning of each line about it."""
        return self.jobs[0].name if self.alone else self.title

    @property
    def processes(self) -> int:
        """The number of processes that it wants on each machine."""
        return self.jobs[0].processes

    @property
    def nodes(self) -> int:
        """The number of machines that it runs on at once."""
        return self.jobs[0].job.nodes

    def order(self) -> Order:
        """Return it as a worker of this machine takes it."""
        first = self.jobs[0]
        jobs = [queued.order() for queued in self.jobs]
        return Order(jobs, first.processes, first.environment, self.at_once, first.fail_fast)

    def resumed(self) -> "Assignment":
        """Return it as it goes on with what it has begun: a run that it has begun is not set aside again."""
        return replace(self, jobs=tuple(queued.resumed() for queued in self.jobs))

    def run_members(
        self,
        console: Console,
        ended: Callable[[QueuedJob, Outcome], None],
        built: Callable[[Job], RunParts | None] = lambda job: None,
        watch: Watch | None = None,
    ) -> None:
        """Run the members of a population in this process.

        Args:
            console: where to draw and print.
            ended: called as each member ends, with its outcome.
            built: returns the parts of a job's run, if they are built already.
            watch: is shown the progress of the members.

        Raises:
            KeyboardInterrupt: the population was asked to stop.

        """
        first, members = self.jobs[0], [Member(queued.job, queued.place) for queued in self.jobs]
        with env_override(first.environment):
            run_population(
                members, self.at_once, console, lambda number, outcome: ended(self.jobs[number], outcome),
                built=built, fail_fast=first.fail_fast, watch=watch,
            )  # fmt: skip

    def run(self, console: Console, states: dict[int, str]) -> None:
        """Run it in this process, and print a line about the end of each job.

        Args:
            console: where to print.
            states: gets the state of each job that has ended, by its number in the batch.

        Raises:
            KeyboardInterrupt: it was interrupted.

        """

        def record(queued: QueuedJob, outcome: Outcome) -> None:
            if isinstance(outcome, RequestError):
                outcome = queued.refused(console, outcome)
            elif isinstance(outcome, Exception):
                print_line(console, f"{queued.name}: failed: {traceback.format_exception_only(outcome)[-1].strip()}")
                outcome = "failed"
            states[queued.number] = outcome

        if self.alone:
            states[self.jobs[0].number] = self.jobs[0].run(console)
        else:
            self.run_members(console, record)


def population_title(job: Job) -> str:
    """Return what names a population: the cell, the task and the lag of its members."""
    run = job.settings["run"]
    return f"{run['cell']} {run['task']} T={run['T']}"
