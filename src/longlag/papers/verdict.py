"""Whether a published row comes out: the rule, which is stated before anything runs."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from longlag.papers.published import PublishedRow
from longlag.report.statistics.rates import wilson

#: The rule, for the reader of a table.
RULE = (
    "reproduced: the published number of sequences is inside the 95 % interval of the measured mean, and the published"
    " share of successes inside that of the measured share. same order: the means differ by a factor of at most 2, and"
    " the intervals of the two shares overlap. Else not reproduced. Means are over the trials that succeeded, as in the"
    " paper; those that failed count in the share."
)
_FACTOR = 2
_RESAMPLES = 10_000


def interval_of_mean(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval of the mean; ``None`` of fewer than two values."""
    if len(values) < 2:
        return None
    draws = np.random.default_rng(0)  # the same table whenever it is made
    means = draws.choice(np.asarray(values, dtype=float), (_RESAMPLES, len(values))).mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def verdict(row: PublishedRow, sequences: Sequence[float], trials: int) -> str:
    """Return the verdict by :data:`RULE`.

    Args:
        row: the published row.
        sequences: of the trials that succeeded.
        trials: how many trials there are, with those that failed.

    """
    if trials == 0:
        return "not run"
    low, high = wilson(len(sequences), trials)
    inside = interval_of_mean(sequences)
    if inside is not None and inside[0] <= row.sequences <= inside[1] and low <= row.success <= high:
        return "reproduced"
    published = wilson(round(row.success * row.trials), row.trials)
    near = bool(sequences) and 1 / _FACTOR <= fmean(sequences) / row.sequences <= _FACTOR
    return "same order" if near and low <= published[1] and published[0] <= high else "not reproduced"
