import math
import random
import statistics
import subprocess
import sys

import pytest

from longlag.report.statistics import censored_median, wilson


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


def test_four_of_five():
    assert wilson(4, 5) == pytest.approx((0.376, 0.964), abs=5e-4)
    assert wilson(5, 5) == pytest.approx((0.566, 1.0), abs=5e-4)


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
