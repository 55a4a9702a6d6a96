"""Rates of decay and half-lives, in steps."""

import math
import statistics

from torch import Tensor


def half_life(factor: float) -> float:
    """Return after how many steps a half is left, if each multiplies by ``factor``; ``inf`` if it does not fall.

    ln ½ / ln factor; 0 where the factor is 0.
    """
    if factor >= 1:
        return math.inf
    return 0.0 if factor <= 0 else math.log(0.5) / math.log(factor)


def decay(log10_norms: Tensor) -> float | None:
    """Return the factor per step by which gradients change on their way back, e^slope of a straight line.

    The line is fitted by least squares to the mean log10 norm over the sequences, against the lag, over the lags that
    at least half of the sequences reach.

    Args:
        log10_norms: by lag, [K, B], with nan where a sequence does not reach back so far.

    Returns:
        ``None`` where fewer than two lags have a gradient that is not 0.

    """
    reached = (~log10_norms.isnan()).sum(1) * 2 >= log10_norms.shape[1]
    means = enumerate(zip(log10_norms.nanmean(1).tolist(), reached.tolist(), strict=True))
    points = {lag: mean for lag, (mean, enough) in means if enough and math.isfinite(mean)}
    if len(points) < 2:
        return None
    factor: float = 10 ** statistics.linear_regression([*points.keys()], [*points.values()]).slope
    return factor
