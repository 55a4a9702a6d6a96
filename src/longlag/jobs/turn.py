"""A job whose turn has come: all that precedes the first step of its run, and the line about its end."""

import contextlib

from rich.console import Console

from longlag.errors import RequestError
from longlag.jobs.job import Job
from longlag.jobs.place import changed, check_files, how_ended, try_to_write
from longlag.jobs.ranks import telling
from longlag.runs import Status
from longlag.runs.claim import Claim, HeldError
from longlag.settings.plan import build_parts
from longlag.terminal import print_line
from longlag.training.run_parts import RunParts


class Turn:
    """A job whose turn has come.

    Args:
        job: the job.
        console: where to draw and print.
        place: the job's place in the grid, for its lines.
        tell: the descriptor that gets progress messages instead of a bar; see :mod:`longlag.jobs.messages`.
        parts: of the run, if they are built already.
        member: the number of the job among those of the process, for the messages.

    Raises:
        RequestError: a setting is wrong.

    """

    def __init__(
        self,
        job: Job,
        console: Console,
        place: str = "",
        tell: int | None = None,
        parts: RunParts | None = None,
        member: int = 0,
    ) -> None:
        self.job, self.console, self._parts = job, console, parts
        if parts is None:
            plan = job.plan(console, place)
            self.plan = plan if tell is None else telling(plan, tell, member)
        else:
            parts.show_progress(console, place)
            self.plan = parts.plan
        self.name = f"{place}{self.plan.title}"

    def parts(self, trainer: bool = True) -> RunParts:
        """Return the parts of the run; they are built at the first call.

        Args:
            trainer: whether the Trainer is built too.

        Raises:
            RequestError: a part cannot be built.

        """
        if self._parts is None:
            self._parts = build_parts(self.plan, trainer)
        return self._parts

    def over(self) -> Status | None:
        """Return the status of a run with nothing left to do, and print a line about it; else ``None``."""
        if self.job.next_action().kind != "skip":
            return None
        print_line(self.console, f"{self.name}: {self.job.ran_already(self.plan)}")
        return self.job.folder.read_status()

    def begin(self, held: contextlib.ExitStack) -> Status | None:
        """Claim the folder; return the status of the run if another process has ended it a moment ago.

        Args:
            held: keeps the claim.

        Raises:
            RequestError: another process runs the same run, or the run in the folder cannot be gone on with.

        """
        try_to_write(self.job.folder.path)
        held.enter_context(self._claimed())
        if (ended := self.over()) is not None:
            return ended
        self._go_on(held)
        return None

    def say_end(self, status: Status) -> None:
        """Print a line about the end of the run."""
        print_line(self.console, f"{self.name}: {how_ended(status, self.job.folder)}")

    def _go_on(self, held: contextlib.ExitStack) -> None:
        """Set the run in the folder aside, or print from where it goes on.

        Raises:
            RequestError: the source of its cell or task has changed, or its files cannot be read.

        """
        job = self.job
        action = job.next_action()
        if job.fresh:
            if job.folder.holds_anything():
                print_line(self.console, f"{self.name}: the run before is now {job.folder.set_aside()}")
                held.enter_context(self._claimed())
            return
        status = job.folder.read_status()
        if status is None:
            return
        if other := changed(self.plan, status):
            raise RequestError(f"cannot go on with {job.folder.path}{other}; fresh=true starts over")
        check_files(job.folder)
        if action.from_step is not None:
            print_line(self.console, f"{self.name}: goes on from {action.from_step:,} to {job.max_steps:,} steps")

    def _claimed(self) -> Claim:
        """Claim the folder, so that no other process runs the same run.

        Raises:
            RequestError: another process holds the claim, or something of the folder is a link.

        """
        path = self.job.folder.path
        path.mkdir(parents=True, exist_ok=True)
        try:
            return Claim(path)
        except OSError as error:
            raise RequestError(f"cannot claim {path}: {error.filename}: {error.strerror}") from error
        except HeldError as error:
            raise RequestError(f"{path} is being run by {error}") from error
