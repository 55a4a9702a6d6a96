"""The contenders at one size: each checked against the reference, and then all timed in turn."""

import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from longlag.benchmark.contenders import Contender
from longlag.benchmark.floor import Rate, gates_of, waited
from longlag.benchmark.given import Given, Size, relative_error
from longlag.benchmark.memory import lacking

#: The most that the gradient of a contender may be off and still be called right.
TOLERANCE = 1e-4
_LEAST_S = 0.1  # a measurement is as many calls as take so long


class Timed(NamedTuple):
    """What a round told of a contender.

    Args:
        both: microseconds per time step and run, forward and backward.
        forward: likewise, forward alone, without a way back.
        cores: how many were busy, forward and backward.

    """

    both: float
    forward: float
    cores: float


@dataclass
class Entry:
    """What is known of a contender at one size.

    Args:
        name: of the contender.
        error: how much its gradient is off, see :func:`longlag.benchmark.given.relative_error`; of all runs looked at.
        first_s: seconds until its first gradient was there: with all that is built or compiled for this size, or, where
            that comes once for a cell, for the first of them.
        state: ``right``; ``wrong``, and not timed; ``failed``, for the reason in ``why``.
        why: that reason.
        calls: that make up a measurement, forward and backward, and forward alone.
        rounds: what was measured in each.

    """

    name: str
    error: float | None = None
    first_s: float | None = None
    state: Literal["right", "wrong", "failed"] = "right"
    why: str = ""
    calls: tuple[int, int] = (1, 1)
    rounds: list[Timed] = field(default_factory=list)


@dataclass
class Measured:
    """What is known of all contenders at one size.

    Args:
        size: the size.
        gates: G of :func:`longlag.benchmark.floor.operations`; ``None`` for a cell without one.
        entries: those that run it.
        absent: name -> why it does not.

    """

    size: Size
    gates: int | None
    entries: list[Entry] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


class Race:
    """A measurement at one size; what is known so far is in ``measured`` at any moment.

    Args:
        given: the cells and sequences.
        contenders: who may take part.
        rate: the machine's, measured in turn with them.

    """

    def __init__(self, given: Given, contenders: Sequence[type[Contender]], rate: Rate) -> None:
        self._given, self._kinds, self._rate = given, contenders, rate
        self._running: list[tuple[Entry, Contender]] = []
        self.measured = Measured(given.size, gates_of(given.cells[0]))

    def check(self) -> None:
        """Let all that can run this cell do it once, and hold their gradients to the reference."""
        size, device, runs = self._given.size, self._given.device, self._given.checked_runs()
        if (why := lacking(size, len(runs), device, wide=True)) is not None:
            self.measured.absent |= {kind.name: why for kind in self._kinds}
            return
        wanted = {run: self._given.reference(run) for run in runs}
        for kind in self._kinds:
            why = kind.refusal(self._given) or lacking(size, size.R if kind.at_once else 1, device)
            if why is not None:
                self.measured.absent[kind.name] = why
                continue
            start = time.perf_counter()
            try:
                contender = kind(self._given)
            except ValueError as error:
                self.measured.absent[kind.name] = str(error)
                continue
            entry = Entry(kind.name)
            self.measured.entries.append(entry)
            with _failing(entry):
                contender.train(runs[0])
                waited(device)
                entry.first_s = time.perf_counter() - start
                entry.error = max((relative_error(contender.gradients(run), wanted[run]) for run in runs), key=_size)
                if not entry.error <= TOLERANCE:
                    entry.state, entry.why = "wrong", f"its gradient is off by {entry.error:.1e}: not timed"
            if entry.state == "right":
                self._running.append((entry, contender))

    def warm_up(self) -> None:
        """Let those that are right run once more, and see how many calls a measurement takes."""
        self._rate.measure()
        for entry, contender in self._running:
            with _failing(entry):
                contender.forward(0)  # which may compile something of its own
                calls = [max(1, math.ceil(_LEAST_S / self._seconds(way, 1, 0)[0])) for way in _ways(contender)]
                entry.calls = calls[0], calls[1]
        self._keep()

    def round(self, number: int) -> None:
        """Measure each once, and the machine's rate: another one begins in every round.

        Args:
            number: of the round, from 0 on.

        """
        turns: list[tuple[Entry, Contender] | None] = [*self._running, None]
        first = number % len(turns)
        for turn in turns[first:] + turns[:first]:
            if turn is None:
                self._rate.measure()
                continue
            with _failing(turn[0]):
                self._measure(*turn, number)
        self._keep()

    def _measure(self, entry: Entry, contender: Contender, number: int) -> None:
        took = []
        for way, calls in zip(_ways(contender), entry.calls, strict=True):
            seconds, cores = self._seconds(way, calls, number * calls)
            size = self._given.size
            took.append((1e6 * seconds / size.T / (size.R if contender.at_once else 1), cores))
        (both, cores), (forward, _) = took
        entry.rounds.append(Timed(both, forward, cores))

    def _seconds(self, way: Callable[[int], object], calls: int, first: int) -> tuple[float, float]:
        """Return the seconds that a call takes, and the cores that are busy; one run comes after the other."""
        R = self._given.size.R
        collecting = gc.isenabled()
        gc.disable()  # or it would fall on whoever comes just then
        try:
            busy, start = time.process_time(), time.perf_counter()
            for call in range(first, first + calls):
                way(call % R)
            waited(self._given.device)
            took = time.perf_counter() - start
            return took / calls, (time.process_time() - busy) / took
        finally:
            if collecting:
                gc.enable()

    def _keep(self) -> None:
        self._running = [(entry, contender) for entry, contender in self._running if entry.state == "right"]


def _ways(contender: Contender) -> tuple[Callable[[int], object], Callable[[int], object]]:
    return contender.train, contender.forward


def _size(error: float) -> float:
    """Return what to compare errors by: NaN is the largest."""
    return math.inf if math.isnan(error) else error


@contextmanager
def _failing(entry: Entry) -> Iterator[None]:
    """Let a contender fail alone."""
    try:
        yield
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        entry.state, entry.why = "failed", f"{type(error).__name__}: {lines[0]}"[:300]
