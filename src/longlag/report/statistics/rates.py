"""The interval of a solve rate, and the median time to solve where some runs are not solved."""

import math
from collections.abc import Sequence
from statistics import NormalDist, median


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the confidence interval of a share of successes.

    Source: Wilson 1927, Probable inference, the law of succession, and statistical inference (the score interval).

    Args:
        successes: the number of successful trials.
        trials: the number of trials, at least 1.
        confidence: how often the interval contains the true share, in (0, 1).

    Raises:
        ValueError: there is no trial, there are more successes than trials, or ``confidence`` is out of range.

    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"successes must be from 0 to trials, and trials at least 1; got {successes} of {trials}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    share, z2 = successes / trials, NormalDist().inv_cdf((1 + confidence) / 2) ** 2 / trials
    centre = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * (share * (1 - share) + z2 / 4)) / (1 + z2)
    # the ends are exact where all trials agree; rounding would leave 1e-17
    return (centre - half if successes else 0.0), (centre + half if successes < trials else 1.0)


def censored_median(times: Sequence[float], trials: int) -> float | None:
    """Return the median time over all trials; a trial without a time counts as longer than every other trial.

    Args:
        times: the times of the trials that have one.
        trials: the number of all trials.

    Returns:
        The median; ``None`` where the median falls on a trial without a time, or there is no trial.

    Raises:
        ValueError: there are more times than trials.

    """
    if len(times) > trials:
        raise ValueError(f"there are {len(times)} times of {trials} trials")
    middle = median([*times, *[float("inf")] * (trials - len(times))]) if trials else float("inf")
    return None if middle == float("inf") else middle
