"""The rule that says whether a published row comes out, on rows and trials made by hand."""

import pytest

from longlag.papers import PublishedRow
from longlag.papers.verdict import interval_of_mean, verdict


def published(sequences=1000.0, success=1.0, trials=10):
    return PublishedRow("a", "a", None, "LSTM", 9, 0.1, trials, success, success < 1, sequences, None, "by hand", "")


@pytest.mark.parametrize(
    ("sequences", "trials", "said"),
    [
        ([900, 1000, 1100, 1050], 4, "reproduced"),
        ([1500, 1600, 1550, 1580], 4, "same order"),  # 1000 is below the interval, and within a factor of 2
        ([500, 500, 500], 3, "same order"),
        ([499, 499, 499], 3, "not reproduced"),
        ([2001, 2001, 2001], 3, "not reproduced"),
        ([1000], 1, "same order"),  # one trial has no interval
        ([900, 1000, 1100, 1050], 20, "not reproduced"),  # 4 of 20 against 10 of 10
        ([], 5, "not reproduced"),
        ([], 0, "not run"),
    ],
)
def test_the_rule(sequences, trials, said):
    assert verdict(published(), sequences, trials) == said


def test_a_published_share_of_successes_is_wanted_too():
    half = [900, 1000, 1100, 1050, 990]
    assert verdict(published(success=0.5), half, 10) == "reproduced"
    assert verdict(published(success=0.5), half, 5) == "same order"  # 5 of 5 is [57 %, 100 %], 5 of 10 [24 %, 76 %]


def test_the_interval_of_the_mean_is_that_of_student_roughly():
    """Of 400 even numbers from 0 to 1 the mean has a deviation of 1/√(12 · 400); 10,000 resamples are right to 5 %."""
    low, high = interval_of_mean([k / 399 for k in range(400)])
    assert (high - low) / 2 == pytest.approx(1.96 / (12 * 400) ** 0.5, rel=0.05)
    assert interval_of_mean([5.0]) is None
