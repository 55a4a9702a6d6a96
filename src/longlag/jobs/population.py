"""Running several jobs of one kind in this process, as the members of a population that trains as one batch."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console

from longlag.jobs.job import Job
from longlag.jobs.turn import Turn
from longlag.runs import Status
from longlag.training.callbacks.stopping import StopRequest, stop_requests
from longlag.training.population.population import Population
from longlag.training.population.train import train_population
from longlag.training.run_parts import RunParts
from longlag.training.train_log import silenced

#: How a member has ended: the state of its run, or the exception that kept it from one.
Outcome = str | Exception


_SHOWN_EVERY_S = 0.25


class Watch(Protocol):
    """Is shown the progress of a population."""

    def move(self, number: int, step: int, steps: int, accuracy: float | None) -> None:
        """Take note of the step of a member, and of its accuracy at the latest validation."""

    def tick(self) -> None:
        """Draw, if it is time."""


@dataclass(frozen=True)
class Member:
    """A job that trains in a population.

    Args:
        job: the job.
        place: its place in the grid, for its lines.

    """

    job: Job
    place: str


def run_population(
    members: Sequence[Member],
    at_once: int,
    console: Console,
    ended: Callable[[int, Outcome], None],
    *,
    tell: int | None = None,
    built: Callable[[Job], RunParts | None] = lambda job: None,
    fail_fast: bool = False,
    watch: Watch | None = None,
) -> None:
    """Run jobs of one kind, each in its own folder and with its own line at its end.

    Args:
        members: the jobs, in the order in which they begin.
        at_once: the most that train at once; the others wait for a place.
        console: where to draw and print.
        ended: called as each member ends, with its number and its outcome; not for one that has not begun.
        tell: the descriptor that gets progress messages; see :mod:`longlag.jobs.messages`.
        built: returns the parts of a job's run, if they are built already.
        fail_fast: whether all stop at the first member that fails.
        watch: is shown the progress of the members, in this process.

    Raises:
        KeyboardInterrupt: the population was asked to stop.

    """
    with stop_requests() as request:
        population = _Population(members, console, ended, tell, built, fail_fast, request, watch)
        population.run(at_once)
    if request.by is not None and not population.failed_fast:
        raise KeyboardInterrupt


class _Population:
    """The members on their way; see :func:`run_population`."""

    def __init__(
        self,
        members: Sequence[Member],
        console: Console,
        ended: Callable[[int, Outcome], None],
        tell: int | None,
        built: Callable[[Job], RunParts | None],
        fail_fast: bool,
        request: StopRequest,
        watch: Watch | None,
    ) -> None:
        self.failed_fast = False
        self._members, self._console, self._report = members, console, ended
        self._tell, self._built, self._fail_fast, self._request = tell, built, fail_fast, request
        self._watch, self._watched = watch, 0.0
        self._left = set(range(len(members)))
        self._running: dict[RunParts, tuple[int, Turn, contextlib.ExitStack]] = {}
        self._trainer = True  # whether the next member builds its Trainer: the first one's sets switches of the process

    def run(self, at_once: int) -> None:
        """Train all members. An exception of the training itself costs those that have not ended."""
        try:
            train_population(self._arriving(), at_once, self._request, self._member_ended, self._show)
        except Exception as error:
            for number in sorted(self._left):
                self._end(number, error)
        finally:
            for _, _, held in self._running.values():
                held.close()

    def _arriving(self) -> Iterator[RunParts]:
        for number, member in enumerate(self._members):
            if self._request.by is not None:
                return
            try:
                parts = self._begun(number, member)
            except Exception as error:  # outside of the run: the next member may do better
                self._end(number, error)
                continue
            if parts is not None:
                yield parts

    def _begun(self, number: int, member: Member) -> RunParts | None:
        """Claim and check a member's run; return ``None`` if it has nothing left to do, or none is to begin."""
        parts = self._built(member.job)
        turn = Turn(member.job, self._console, member.place, self._tell, parts, number)
        ended = turn.over()
        if ended is None:
            parts = turn.parts(self._trainer)
            if self._trainer:
                with silenced():
                    _ = parts.trainer  # of parts that were built ahead it may be missing
                self._trainer = False
            if self._request.by is not None:
                return None
            with contextlib.ExitStack() as held:
                ended = turn.begin(held)
                if ended is None:
                    self._running[parts] = number, turn, held.pop_all()
                    return parts
        self._end(number, ended.state)
        return None

    def _show(self, population: Population) -> None:
        """Show the steps of the members a few times a second."""
        if self._watch is None or time.monotonic() - self._watched < _SHOWN_EVERY_S:
            return
        self._watched = time.monotonic()
        for one in population.members:
            number, _, _ = self._running[one.parts]
            self._watch.move(number, one.view.global_step, one.view.max_steps, one.accuracy)
        self._watch.tick()

    def _member_ended(self, parts: RunParts, status: Status) -> None:
        """Release a member's claim, print its line, and report its state."""
        number, turn, held = self._running.pop(parts)
        held.close()
        turn.say_end(status)
        self._end(number, status.state)

    def _end(self, number: int, outcome: Outcome) -> None:
        self._left.discard(number)
        self._report(number, outcome)
        if self._fail_fast and (outcome == "failed" or isinstance(outcome, Exception)) and self._request.by is None:
            self.failed_fast = True
            self._request.by = signal.SIGTERM  # the others save their steps, as if they were asked to stop
