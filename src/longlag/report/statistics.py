"""How sure a share is, and the median of times that were not all seen."""

from collections.abc import Sequence
from statistics import median


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval in which the true share of successes lies.

    Source: Wilson 1927, Probable inference, the law of succession, and statistical inference (the score interval).

    Args:
        successes: how many trials went well.
        trials: how many there were; at least 1.
        confidence: how often the interval is to hold the true share, in (0, 1).

    Raises:
        ValueError: no trial, more successes than trials, or a confidence that is none.

    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"successes must be from 0 to trials, and trials at least 1; got {successes} of {trials}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    from scipy.stats import binomtest  # type: ignore[import-untyped] # here, because it takes more than a second

    low, high = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(low), float(high)


def censored_median(times: Sequence[float], trials: int) -> float | None:
    """Return the median time over all trials, one without a time counting as longer than any that has one.

    Args:
        times: of the trials that came to an end.
        trials: how many there were in all.

    Returns:
        The median; ``None`` where it is not known, because it falls on a trial without a time, or there is no trial.

    Raises:
        ValueError: more times than trials.

    """
    if len(times) > trials:
        raise ValueError(f"there are {len(times)} times of {trials} trials")
    middle = median([*times, *[float("inf")] * (trials - len(times))]) if trials else float("inf")
    return None if middle == float("inf") else middle
