"""Check the contenders at one size against the reference, then time them in turn."""

import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from longlag.benchmark.contenders import Contender
from longlag.benchmark.free_memory import lacking
from longlag.benchmark.roofline import Rate, gates_of, wait_for
from longlag.benchmark.workload import Size, Workload, relative_error

#: The largest relative error of a gradient that counts as right.
TOLERANCE = 1e-4
_LEAST_S = 0.1  # a measurement makes calls for at least so long


class Timed(NamedTuple):
    """The times of a contender in one round.

    Args:
        both: microseconds per time step and run, forward and backward.
        forward: the same, forward alone, without a way back.
        cores: how many cores were busy, forward and backward.

    """

    both: float
    forward: float
    cores: float


@dataclass
class Entry:
    """A contender at one size.

    Args:
        name: the name of the contender.
        error: the relative error of its gradient, over all runs; see :func:`longlag.benchmark.workload.relative_error`.
        first_s: seconds until its first gradient was there, with what it builds or compiles for this size; what it
            builds once for a cell counts at the first size.
        state: ``right``; ``wrong``, and not timed; ``failed``, for the reason in ``why``.
        why: why it is wrong or has failed.
        calls: the number of calls of a measurement, forward and backward, and forward alone.
        rounds: the times of each round.

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
    """All contenders at one size.

    Args:
        size: the size.
        gates: G of :func:`longlag.benchmark.roofline.operations`; ``None`` for a cell without one.
        entries: the contenders that run it.
        absent: name of a contender -> why it does not run it.

    """

    size: Size
    gates: int | None
    entries: list[Entry] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


class Race:
    """A measurement at one size; ``measured`` holds the results so far.

    Args:
        workload: the cells and sequences.
        contenders: the contenders; each takes part if it can.
        rate: the rate of the machine, measured in turn with them.

    """

    def __init__(self, workload: Workload, contenders: Sequence[type[Contender]], rate: Rate) -> None:
        self._workload, self._kinds, self._rate = workload, contenders, rate
        self._running: list[tuple[Entry, Contender]] = []
        self.measured = Measured(workload.size, gates_of(workload.cells[0]))

    def check(self) -> None:
        """Let all contenders that can run this cell run it once, and compare their gradients with the reference."""
        size, device, runs = self._workload.size, self._workload.device, self._workload.checked_runs()
        if (why := lacking(size, len(runs), device, wide=True)) is not None:
            self.measured.absent |= {kind.name: why for kind in self._kinds}
            return
        wanted = {run: self._workload.reference(run) for run in runs}
        for kind in self._kinds:
            why = kind.refusal(self._workload) or lacking(size, size.R if kind.at_once else 1, device)
            if why is not None:
                self.measured.absent[kind.name] = why
                continue
            start = time.perf_counter()
            try:
                contender = kind(self._workload)
            except ValueError as error:
                self.measured.absent[kind.name] = str(error)
                continue
            entry = Entry(kind.name)
            self.measured.entries.append(entry)
            with _failing(entry):
                contender.train(runs[0])
                wait_for(device)
                entry.first_s = time.perf_counter() - start
                entry.error = max((relative_error(contender.gradients(run), wanted[run]) for run in runs), key=_size)
                if not entry.error <= TOLERANCE:
                    entry.state, entry.why = "wrong", f"its gradient is off by {entry.error:.1e}: not timed"
            if entry.state == "right":
                self._running.append((entry, contender))

    def warm_up(self) -> None:
        """Let the contenders that are right run once more, and find how many calls a measurement takes."""
        self._rate.measure()
        for entry, contender in self._running:
            with _failing(entry):
                contender.forward(0)  # this may compile something more
                calls = [max(1, math.ceil(_LEAST_S / self._seconds(way, 1, 0)[0])) for way in _ways(contender)]
                entry.calls = calls[0], calls[1]
        self._keep()

    def round(self, number: int) -> None:
        """Measure each contender once, and the machine's rate; each round starts with another one.

        Args:
            number: the number of the round, from 0 on.

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
            size = self._workload.size
            took.append((1e6 * seconds / size.T / (size.R if contender.at_once else 1), cores))
        (both, cores), (forward, _) = took
        entry.rounds.append(Timed(both, forward, cores))

    def _seconds(self, way: Callable[[int], object], calls: int, first: int) -> tuple[float, float]:
        """Return the seconds of a call, and how many cores were busy; the calls take the runs in turn."""
        R = self._workload.size.R
        collecting = gc.isenabled()
        gc.disable()  # a collection would slow one contender at random
        try:
            busy, start = time.process_time(), time.perf_counter()
            for call in range(first, first + calls):
                way(call % R)
            wait_for(self._workload.device)
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
    """Return the error for comparisons, where NaN is the largest."""
    return math.inf if math.isnan(error) else error


@contextmanager
def _failing(entry: Entry) -> Iterator[None]:
    """Note the failure of a contender, so that the others go on."""
    try:
        yield
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        entry.state, entry.why = "failed", f"{type(error).__name__}: {lines[0]}"[:300]
