import math
import random
import statistics
import subprocess
import sys

import pytest
from scipy import stats

from longlag.report.statistics.rates import censored_median, wilson


def wilson_by_hand(k, n, confidence):
    """The shares p at which k is just z standard deviations of p from n p: the roots of (k − n p)² = z² n p (1 − p)."""
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    a, b, c = n * n + z * z * n, -(2 * k * n + z * z * n), k * k
    root = math.sqrt(max(b * b - 4 * a * c, 0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("trials", [1, 2, 5, 10, 100])
def test_the_interval_of_wilson(trials, confidence):
    for successes in range(trials + 1):
        found = wilson(successes, trials, confidence)
        assert found == pytest.approx(wilson_by_hand(successes, trials, confidence), abs=1e-9)
        assert 0 <= found[0] <= successes / trials <= found[1] <= 1


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_published_intervals(successes, trials, low, high):
    """Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3."""
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
@pytest.mark.parametrize("trials", [1, 7, 1000])
def test_it_agrees_with_scipy(trials, confidence):
    for successes in {0, 1, trials // 3, trials - 1, trials}:
        reference = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
        assert wilson(successes, trials, confidence) == pytest.approx(tuple(reference), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("successes", "trials", "confidence"), [(0, 0, 0.95), (-1, 5, 0.95), (6, 5, 0.95), (1, 5, 1.0)]
)
def test_what_is_no_share_is_refused(successes, trials, confidence):
    with pytest.raises(ValueError, match=r"must be .*got"):
        wilson(successes, trials, confidence)


@pytest.mark.parametrize(
    ("times", "trials", "expected"),
    [
        ([], 0, None), ([], 3, None), ([60], 1, 60), ([60], 2, None), ([60, 80], 2, 70), ([60, 80], 3, 80),
        ([100, 60], 3, 100), ([60, 80, 100], 4, 90), ([60, 80], 4, None), ([60, 80], 5, None), ([7, 1, 3], 5, 7),
    ],
)  # fmt: skip
def test_the_median_counts_an_unsolved_run_as_longer_than_any_solved_one(times, trials, expected):
    assert censored_median(times, trials) == expected


def test_the_median_is_that_of_any_times_beyond_the_solved_ones():
    """Wherever the median is known, it cannot depend on how long the unsolved runs would have taken."""
    draw = random.Random(0)
    for _ in range(200):
        trials = draw.randint(1, 9)
        times = [draw.randint(1, 50) for _ in range(draw.randint(0, trials))]
        known = censored_median(times, trials)
        later = [[draw.randint(51, 10**k) for _ in range(trials - len(times))] for k in (3, 6, 9)]
        medians = {statistics.median([*times, *rest]) for rest in later}
        assert medians == {known} if known is not None else len(medians) > 1


def test_more_times_than_trials_are_refused():
    with pytest.raises(ValueError, match="2 times of 1 trials"):
        censored_median([1, 2], 1)


def test_the_table_of_runs_starts_without_scipy_and_torch():
    code = "import sys, longlag.report.table; print([m for m in ('scipy', 'torch', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
