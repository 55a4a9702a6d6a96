"""Rates of decay and half-lives, in steps."""

import math
import statistics

from torch import Tensor


def half_life(factor: float) -> float:
    """Return the number of steps that halve a value which each step multiplies by ``factor``: ln ½ / ln factor.

    ``inf`` for a factor of at least 1, and 0 for a factor of 0.
    """
    if factor >= 1:
        return math.inf
    return 0.0 if factor <= 0 else math.log(0.5) / math.log(factor)


def decay(log10_norms: Tensor) -> float | None:
    """Return the factor per step by which gradients change on their way back, 10^slope of a straight line.

    Least squares fit the line to the mean log10 norm over the sequences, against the lag, over the lags that at least
    half of the sequences reach.

    Args:
        log10_norms: by lag, [K, B]; nan beyond the first step of a sequence.

    Returns:
        ``None`` if fewer than two lags have a gradient other than 0.

    """
    reached = (~log10_norms.isnan()).sum(1) * 2 >= log10_norms.shape[1]
    means = enumerate(zip(log10_norms.nanmean(1).tolist(), reached.tolist(), strict=True))
    points = {lag: mean for lag, (mean, enough) in means if enough and math.isfinite(mean)}
    if len(points) < 2:
        return None
    factor: float = 10 ** statistics.linear_regression([*points.keys()], [*points.values()]).slope
    return factor
