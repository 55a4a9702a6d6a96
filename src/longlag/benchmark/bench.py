"""Measure all sizes one after the other, and forecast how long that takes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from longlag.benchmark.contenders import Contender
from longlag.benchmark.measure import Measured, Race
from longlag.benchmark.roofline import Rate
from longlag.benchmark.workload import Make, Size, Workload

_TRIED = 10  # steps of the calls from which the forecast is made
_CHECKS = 3  # calls of a contender before the warm-up: the first one, and one for each of two runs that are checked
_LEAST_S = 0.2  # the least that a contender takes in a round: forward and backward, and forward


@dataclass(frozen=True)
class Plan:
    """What a benchmark measures.

    Args:
        sizes: the sizes, each with a function that makes its cell.
        contenders: the contenders; each takes part where it can.
        rounds: how often each contender is measured.
        threads: how many threads each may use.
        device: ``cpu`` or ``cuda``.
        seed: the seed of weights and sequences.

    """

    sizes: Sequence[tuple[Size, Make]]
    contenders: Sequence[type[Contender]]
    rounds: int = 7
    threads: int = 1
    device: str = "cpu"
    seed: int = 0


class Bench:
    """A measurement of all sizes; ``measured`` holds the results so far.

    Args:
        plan: what it measures.
        tell: a function that reports the progress: the size, its number from 1 on, the stage, and the seconds left.

    """

    def __init__(self, plan: Plan, tell: Callable[[Size, int, str, float], None] = lambda *_: None) -> None:
        self.plan, self._tell = plan, tell
        self.measured: list[Measured] = []
        self.done = 0
        """How many sizes are complete."""
        with threads(plan.threads):
            self.rate = Rate(plan.device)
        self._expected: list[float] = []
        self._first_s: dict[tuple[str, str], float] = {}  # contender and cell -> the seconds of its first trial

    def expected(self) -> float:
        """Return about how many seconds :meth:`run` takes, from a first measurement of a few steps."""
        tried: dict[Size, float] = {}
        with threads(self.plan.threads):
            start = time.perf_counter()
            self.rate.measure()
            product = time.perf_counter() - start
            self._expected = [
                self._forecast(size, make, tried) + self.plan.rounds * product for size, make in self.plan.sizes
            ]
        return sum(self._expected)

    def run(self) -> None:
        """Measure all sizes. After a KeyboardInterrupt ``measured`` holds the results up to then."""
        began = time.perf_counter()
        if not self._expected:
            self.expected()
        with threads(self.plan.threads):
            for number, (size, make) in enumerate(self.plan.sizes, start=1):
                done, ahead = sum(self._expected[: number - 1]), sum(self._expected[number - 1 :])
                passed = time.perf_counter() - began
                left = ahead * (passed / done if done else 1.0)  # corrected by how good the forecast was so far
                for stage in self._race(size, make):
                    self._tell(size, number, stage, left)
                self.done = number

    def _race(self, size: Size, make: Make) -> Iterator[str]:
        yield "drawing"
        race = Race(Workload(size, make, self.plan.seed, self.plan.device), self.plan.contenders, self.rate)
        self.measured.append(race.measured)
        yield "checking"
        race.check()
        for entry in race.measured.entries:  # the forecast's trial may have built what this call would have built
            first_s = self._first_s.pop((entry.name, size.cell), 0.0)
            entry.first_s = None if entry.first_s is None else max(entry.first_s, first_s)
        yield "warming up"
        race.warm_up()
        for number in range(self.plan.rounds):
            yield f"round {number + 1} of {self.plan.rounds}"
            race.round(number)

    def _forecast(self, size: Size, make: Make, tried: dict[Size, float]) -> float:
        """Return about how many seconds a size takes."""
        short = replace(size, T=min(size.T, _TRIED), R=1)
        workload = Workload(short, make, self.plan.seed, self.plan.device)
        longer, total, eager = size.T / short.T, 0.0, 0.0
        for kind in self.plan.contenders:
            if kind.refusal(workload) is not None:
                continue
            key = replace(short, cell=f"{kind.name} {short.cell}")
            if key not in tried and not kind.compiles_s:
                first, tried[key] = _tried(kind, workload)
                self._first_s.setdefault((kind.name, size.cell), first)
            a_call = tried.get(key, eager) * longer * (size.R if kind.at_once else 1)
            eager = max(eager, tried.get(key, 0.0))
            total += kind.compiles_s + _CHECKS * a_call + (self.plan.rounds + 1) * max(1.4 * a_call, _LEAST_S)
        return total + 2 * min(size.R, 2) * eager * longer  # the reference


def _tried(kind: type[Contender], workload: Workload) -> tuple[float, float]:
    """Return the seconds until the first gradient is there, and those of the second call.

    Both are 0 for a contender that cannot be made or run; the race reports why.
    """
    start = time.perf_counter()
    try:
        contender = kind(workload)
        contender.train(0)
        again = time.perf_counter()
        contender.train(0)
    except Exception:
        return 0.0, 0.0
    return again - start, time.perf_counter() - again


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let PyTorch use ``count`` threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
