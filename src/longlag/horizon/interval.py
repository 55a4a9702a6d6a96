"""The interval of a horizon, from how often each lag was solved."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# NumPy is imported inside of the functions, so that a help text needs none.

#: The probability that the interval holds.
CREDIBILITY = 0.9
_APART = 1 / 32  # doublings between two places where the true horizon may be
_OUTSIDE = 128  # such places below the tested lags, and above
_SLOPES = (0.5, 50, 24)  # logits to a doubling, and how many: from 90 % to 10 % over 9 doublings, or a tenth of one
_CEILINGS = 2  # the rate at short lags: 1, or halfway between 1 and the wanted rate


def credible_interval(counts: Mapping[int, tuple[int, int]], rate: float) -> tuple[float, float]:
    """Return the central 90 % credible interval of the lag at which the solve rate falls below ``rate``.

    The model is that of psychophysics for a threshold: the rate is a logistic function of log T,

        P(T) = c · σ(logit(rate / c) − s · log2(T / horizon)),

    with the horizon, the slope s and the ceiling c unknown. Their prior is flat: in the logarithm of the horizon, from
    a sixteenth of the smallest to sixteen times the largest tested lag; in the logarithm of the slope, from 0.5 to 50
    logits a doubling; and over two ceilings, 1 and (1 + ``rate``) / 2, the second for a cell that now and then fails at
    any lag. When seeds stopped to be drawn plays no part in the likelihood. All seeds at all lags count, also those far
    from the horizon.

    Source: Watson & Pelli 1983, QUEST: a Bayesian adaptive psychometric method; the slope as in Kontsevich
    & Tyler 1999, Bayesian adaptive estimation of psychometric slope and threshold.

    Args:
        counts: lag -> (seeds that solved it, seeds that did not).
        rate: the wanted rate, in (0, 1].

    Returns:
        The two ends, in steps. An end outside of the tested lags comes from the prior and says only that.

    """
    import numpy as np

    lags = np.array(sorted(counts), dtype=np.float64)
    drawn = np.array([counts[int(lag)] for lag in lags], dtype=np.float64)
    low, high = intervals(lags, drawn[None, :, 0], drawn[None, :, 1], rate)[0]
    return float(low), float(high)


def intervals(lags: "Floats", solved: "Floats", failed: "Floats", rate: float) -> "Floats":
    """Return the intervals of S searches over the same K lags, [S, 2]; see :func:`credible_interval`.

    Args:
        lags: in rising order, [K].
        solved: the seeds that solved each lag in each search, [S, K].
        failed: the seeds that did not, [S, K].
        rate: the wanted rate.

    """
    import numpy as np

    x = np.log2(lags)
    outside = np.arange(1, _OUTSIDE + 1) * _APART
    tested = np.arange(x[0], x[-1] + 1e-9, _APART)
    places = np.concatenate([x[0] - outside[::-1], tested, x[-1] + outside])
    rate = min(rate, 1 - 1e-3)  # a rate of 1 is never reached by a logistic curve
    logs = [_log_rates(x, places, rate, ceiling) for ceiling in np.linspace(1, (1 + rate) / 2, _CEILINGS)]
    of_solved, of_failed = (np.concatenate(each) for each in zip(*logs, strict=True))  # [M, K]
    likelihood = solved @ of_solved.T + failed @ of_failed.T  # [S, M]
    likelihood = np.exp(likelihood - likelihood.max(axis=1, keepdims=True))
    mass = likelihood.reshape(len(solved), -1, len(places)).sum(axis=1)  # [S, places]
    below = np.cumsum(mass, axis=1) / mass.sum(axis=1, keepdims=True)
    ends = [(1 - CREDIBILITY) / 2, (1 + CREDIBILITY) / 2]
    found = np.stack([(below < end).sum(axis=1) for end in ends], axis=1)  # [S, 2]
    return np.asarray(2 ** places[np.minimum(found, len(places) - 1)])


def _log_rates(x: "Floats", places: "Floats", rate: float, ceiling: float) -> "tuple[Floats, Floats]":
    """Return the logarithm of the rate, and of one minus the rate, at each lag for each slope and place, [M, K]."""
    import numpy as np

    share = rate / ceiling
    slopes = np.geomspace(*_SLOPES)
    logit = math.log(share / (1 - share)) - slopes[:, None, None] * (x - places[:, None])  # [slopes, places, K]
    log_rate = math.log(ceiling) - np.logaddexp(0, -logit)
    log_rest = np.log1p(-np.minimum(np.exp(log_rate), 1 - 1e-12))
    return log_rate.reshape(-1, len(x)), log_rest.reshape(-1, len(x))
