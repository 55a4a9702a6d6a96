"""The result of a search: the horizon, its interval, and the curve of the solve rate against the lag."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from longlag.horizon.interval import CREDIBILITY, credible_interval
from longlag.horizon.rule import Rule, Verdict
from longlag.horizon.search import LagGrid, next_step
from longlag.report.statistics.rates import wilson


@dataclass(frozen=True)
class Tested:
    """A lag that was tested.

    Args:
        T: the lag.
        solved: the seeds that solved it.
        trials: the seeds that were tried.
        verdict: by the rule.

    """

    T: int
    solved: int
    trials: int
    verdict: Verdict

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers, the rate and its Wilson interval among them, as JSON holds them."""
        low, high = wilson(self.solved, self.trials)
        rate = self.solved / self.trials
        return {
            "T": self.T, "solved": self.solved, "trials": self.trials, "rate": rate, "rate_low": low, "rate_high": high,
            "verdict": self.verdict,
        }  # fmt: skip


@dataclass(frozen=True)
class Horizon:
    """The memory horizon that a search has found.

    Args:
        within: the longest lag within the horizon, which is the horizon; ``None`` if no lag of the grid is.
        beyond: the shortest lag beyond it; ``None`` if the grid ends before.
        low: the lower end of the interval; ``None`` if it lies below all tested lags.
        high: the upper end; ``None`` if it lies above all tested lags.
        curve: the tested lags, in rising order.

    """

    within: int | None
    beyond: int | None
    low: float | None
    high: float | None
    curve: tuple[Tested, ...]

    @classmethod
    def of(cls, grid: LagGrid, rule: Rule, counts: Mapping[int, tuple[int, int]]) -> "Horizon":
        """Return the result of a search that has ended.

        The interval is the credible interval, widened to the horizon itself where that lies outside.

        Args:
            grid: the lags of the search.
            rule: of the test at one lag.
            counts: lag -> (seeds that solved it, seeds that did not), for the lags of the search.

        Raises:
            ValueError: a lag has no verdict, or the search has not ended.

        """
        verdicts = {T: verdict for T, both in counts.items() if (verdict := rule.verdict(*both)) is not None}
        step = next_step(grid, verdicts)
        if step.next_lag is not None or len(verdicts) < len(counts):
            raise ValueError(f"the search has not ended: T={step.next_lag} is next")
        curve = tuple(Tested(T, counts[T][0], sum(counts[T]), verdicts[T]) for T in sorted(counts))
        low, high = credible_interval(counts, rule.rate)
        if step.within is not None:
            low, high = min(low, step.within), max(high, step.within)
        shortest, longest = curve[0].T, curve[-1].T
        return cls(
            step.within, step.beyond, None if low < shortest else low, None if high > longest else high, curve
        )  # fmt: skip

    @property
    def text(self) -> str:
        """The horizon for a person: ``95``, ``≥1280`` where no tested lag is beyond it, ``<10`` where each one is."""
        if self.within is None:
            return f"<{self.beyond}"
        return f"{'' if self.beyond is not None else '≥'}{self.within}"

    @property
    def interval_text(self) -> str:
        """The interval for a person: ``80–110``; an end without a number lies outside of the tested lags."""
        shortest, longest = self.curve[0].T, self.curve[-1].T
        low = f"<{shortest}" if self.low is None else f"{self.low:.0f}"
        high = f">{longest}" if self.high is None else f"{self.high:.0f}"
        return f"{low}–{high}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON holds it."""
        return {
            "horizon": self.within, "beyond": self.beyond, "low": self.low, "high": self.high,
            "credibility": CREDIBILITY, "curve": [tested.to_dict() for tested in self.curve],
        }  # fmt: skip


def counts_of(outcomes: Mapping[int, Sequence[bool]]) -> dict[int, tuple[int, int]]:
    """Return lag -> (solved, not solved) from lag -> whether each seed solved it."""
    return {T: (sum(solved), len(solved) - sum(solved)) for T, solved in outcomes.items()}
