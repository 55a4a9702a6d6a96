"""The test of one lag: whether enough of the seeds solve the task."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

#: ``within``: enough seeds solve the lag; ``beyond``: too many do not.
Verdict = Literal["within", "beyond"]
#: The error rate for which :attr:`Rule.surely_within` and :attr:`Rule.surely_beyond` are stated.
ERROR = 0.05


@dataclass(frozen=True)
class Rule:
    """Curtailed sampling: of ``seeds`` seeds at least the share ``rate`` must solve a lag; stop once that is decided.

    The verdict is the one that all seeds would give, because no seed is left out that could change it. So the error
    rates are those of the binomial test with a fixed number of seeds, exactly, and none is an approximation as in
    Wald's sequential test.

    Source: curtailed single sampling, Wald 1947, Sequential Analysis, section 5.4 (and Dodge & Romig 1929, A method of
    sampling inspection); the limits of the rate are those of Clopper & Pearson 1934.

    Args:
        seeds: the most seeds at one lag.
        rate: the share of them that must solve it, in (0, 1].

    Raises:
        ValueError: ``seeds`` is below 1, or ``rate`` is out of range.

    """

    seeds: int = 10
    rate: float = 0.9

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ValueError(f"seeds must be a positive integer, got {self.seeds!r}")
        if not 0 < self.rate <= 1:
            raise ValueError(f"rate must be above 0 and at most 1, got {self.rate!r}")

    @property
    def needed(self) -> int:
        """The fewest seeds that must solve a lag within the horizon."""
        return math.ceil(self.rate * self.seeds - 1e-9)  # 0.9 · 10 is a little more than 9 in some roundings

    @property
    def allowed(self) -> int:
        """The most seeds that may fail at a lag within the horizon."""
        return self.seeds - self.needed

    def verdict(self, solved: int, failed: int) -> Verdict | None:
        """Return the verdict on a lag; ``None`` while it is open."""
        if solved >= self.needed:
            return "within"
        return "beyond" if failed > self.allowed else None

    @property
    def waves(self) -> tuple[int, ...]:
        """The numbers of seeds after which the verdict is looked for: the seeds between two train side by side.

        The first wave is the smallest that can fail a lag, since most of the time goes to lags that no seed solves. The
        second is half of the seeds.
        """
        first = min(self.allowed + 1, self.seeds)
        return tuple(sorted({first, max(first, -(-self.seeds // 2)), self.seeds}))

    def passes(self, share: float) -> float:
        """Return the probability of the verdict ``within`` at a lag that this share of all seeds solves."""
        n = self.seeds
        return sum(math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(self.needed, n + 1))

    @property
    def surely_within(self) -> float:
        """The smallest share of all seeds at which ``beyond`` is wrong in at most ``ERROR`` of the tests."""
        return _bisected(lambda share: self.passes(share) >= 1 - ERROR)

    @property
    def surely_beyond(self) -> float:
        """The largest share of all seeds at which ``within`` is wrong in at most ``ERROR`` of the tests."""
        return _bisected(lambda share: self.passes(share) > ERROR)


def _bisected(holds: Callable[[float], bool]) -> float:
    """Return the share from which a condition holds that does not hold at 0 and holds at 1."""
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return (low + high) / 2
