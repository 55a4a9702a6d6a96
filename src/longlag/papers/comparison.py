"""A published row beside what was measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from longlag.papers.published import PublishedRow
from longlag.papers.trials import Trial
from longlag.papers.verdict import interval_of_mean, verdict
from longlag.report.statistics.rates import censored_median, wilson


@dataclass(frozen=True)
class Comparison:
    """A published row, and the trials that have ended.

    Args:
        row: the published row.
        trials: those that have ended.
        wanted: how many were asked for.

    """

    row: PublishedRow
    trials: Sequence[Trial]
    wanted: int

    @property
    def solved(self) -> list[float]:
        """The sequences of the trials that succeeded."""
        return [float(trial.sequences) for trial in self.trials if trial.sequences is not None]

    @property
    def success(self) -> tuple[float, float] | None:
        """The 95 % interval of the share that succeeds; ``None`` without trials."""
        return wilson(len(self.solved), len(self.trials)) if self.trials else None

    @property
    def mean(self) -> float | None:
        """The mean number of sequences of the trials that succeeded."""
        return fmean(self.solved) if self.solved else None

    @property
    def mean_interval(self) -> tuple[float, float] | None:
        """Its 95 % bootstrap interval."""
        return interval_of_mean(self.solved)

    @property
    def median(self) -> float | None:
        """The median over all trials: one that failed counts as longer than all others."""
        return censored_median(self.solved, len(self.trials))

    @property
    def wrong(self) -> float | None:
        """The mean share of wrong test sequences of the trials that succeeded."""
        return _mean([trial.wrong for trial in self.trials if trial.sequences is not None])

    @property
    def error(self) -> float | None:
        """The mean absolute error of their tests."""
        return _mean([trial.error for trial in self.trials if trial.sequences is not None])

    @property
    def seconds(self) -> float:
        """The time of all trials together."""
        return sum(trial.seconds for trial in self.trials)

    @property
    def verdict(self) -> str:
        """Whether the row comes out; see :data:`longlag.papers.RULE`."""
        return verdict(self.row, self.solved, len(self.trials))


def compared(row: PublishedRow, trials: Sequence[Trial], wanted: int) -> Comparison:
    """Set a published row beside its trials."""
    return Comparison(row, tuple(trials), wanted)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
