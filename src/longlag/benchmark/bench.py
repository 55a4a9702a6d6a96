"""All sizes, one after the other, and how long that will take."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from longlag.benchmark.contenders import Contender
from longlag.benchmark.floor import Rate
from longlag.benchmark.given import Given, Make, Size
from longlag.benchmark.race import Measured, Race

_TRIED = 10  # steps: so many are tried to see how long all will take
_CHECKS = 3  # calls of a contender before the warm-up: the first one, and one for each of two runs that are checked
_LEAST_S = 0.2  # forward and backward, and forward: what a contender takes in a round at least


@dataclass(frozen=True)
class Plan:
    """What is to be measured.

    Args:
        sizes: each with what makes its cell.
        contenders: who takes part, where it can.
        rounds: in which each is measured once.
        threads: how many each may use.
        device: ``cpu`` or ``cuda``.
        seed: of weights and sequences.

    """

    sizes: Sequence[tuple[Size, Make]]
    contenders: Sequence[type[Contender]]
    rounds: int = 7
    threads: int = 1
    device: str = "cpu"
    seed: int = 0


class Bench:
    """A measurement of all sizes; what is known so far is in ``measured`` at any moment.

    Args:
        plan: what is to be measured.
        tell: is told of the progress: the size, its number from 1 on, what is done with it, and the seconds that are
            left.

    """

    def __init__(self, plan: Plan, tell: Callable[[Size, int, str, float], None] = lambda *_: None) -> None:
        self.plan, self._tell = plan, tell
        self.measured: list[Measured] = []
        self.done = 0
        """How many sizes are measured whole."""
        with threads(plan.threads):
            self.rate = Rate(plan.device)
        self._expected: list[float] = []
        self._paid: dict[tuple[str, str], float] = {}  # contender and cell -> what its first trial took

    def expected(self) -> float:
        """Return about how many seconds :meth:`run` will take, from a first measurement of a few steps."""
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
        """Measure all sizes. A KeyboardInterrupt may come at any moment: what is measured by then is kept."""
        began = time.perf_counter()
        if not self._expected:
            self.expected()
        with threads(self.plan.threads):
            for number, (size, make) in enumerate(self.plan.sizes, start=1):
                done, ahead = sum(self._expected[: number - 1]), sum(self._expected[number - 1 :])
                passed = time.perf_counter() - began
                left = ahead * (passed / done if done else 1.0)  # what came before tells how good the forecast is
                for doing in self._race(size, make):
                    self._tell(size, number, doing, left)
                self.done = number

    def _race(self, size: Size, make: Make) -> Iterator[str]:
        yield "drawing"
        race = Race(Given(size, make, self.plan.seed, self.plan.device), self.plan.contenders, self.rate)
        self.measured.append(race.measured)
        yield "checking"
        race.check()
        for entry in race.measured.entries:  # the first time it runs a cell it may build what later sizes have
            paid = self._paid.pop((entry.name, size.cell), 0.0)
            entry.first_s = None if entry.first_s is None else max(entry.first_s, paid)
        yield "warming up"
        race.warm_up()
        for number in range(self.plan.rounds):
            yield f"round {number + 1} of {self.plan.rounds}"
            race.round(number)

    def _forecast(self, size: Size, make: Make, tried: dict[Size, float]) -> float:
        """Return about how many seconds a size will take."""
        short = replace(size, T=min(size.T, _TRIED), R=1)
        given = Given(short, make, self.plan.seed, self.plan.device)
        longer, total, eager = size.T / short.T, 0.0, 0.0
        for kind in self.plan.contenders:
            if kind.refusal(given) is not None:
                continue
            key = replace(short, cell=f"{kind.name} {short.cell}")
            if key not in tried and not kind.compiles_s:
                first, tried[key] = _tried(kind, given)
                self._paid.setdefault((kind.name, size.cell), first)
            a_call = tried.get(key, eager) * longer * (size.R if kind.at_once else 1)
            eager = max(eager, tried.get(key, 0.0))
            total += kind.compiles_s + _CHECKS * a_call + (self.plan.rounds + 1) * max(1.4 * a_call, _LEAST_S)
        return total + 2 * min(size.R, 2) * eager * longer  # the reference


def _tried(kind: type[Contender], given: Given) -> tuple[float, float]:
    """Return the seconds until the first gradient is there, and those of the second call.

    They are 0 of a contender that cannot be made or run, which will be said in the race.
    """
    start = time.perf_counter()
    try:
        contender = kind(given)
        contender.train(0)
        again = time.perf_counter()
        contender.train(0)
    except Exception:
        return 0.0, 0.0
    return again - start, time.perf_counter() - again


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let PyTorch use so many threads meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
