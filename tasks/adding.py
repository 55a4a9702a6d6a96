"""The adding problem of 1997: add two marked numbers."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from longlag.task import (
    CRITERION_ERRORS,
    RANGE_ENDS,
    SQUARED_ERROR,
    Batch,
    LogisticTask,
    Splits,
    check_choice,
    check_integer,
    highest,
    integers,
)

#: Whether the net sees the mark of the very first pair, if the draw marks this pair.
FIRST_MARKS = ("unseen", "seen")


class Adding(LogisticTask):
    """Add the two marked values among distractors.

    Each element is a pair: a value, uniform in [−1, 1], and a marker. The markers of two pairs are 1, those of the
    first and the last pair −1, all others 0. One marked pair is uniform among the first 10, the other among the
    unmarked ones of the first T/2 − 1. The target, read at the end, is 0.5 + (X1 + X2)/4 with the marked values
    X1 and X2. With T=8::

        value    0.1  0.5 −0.9 −0.3  0.7  0.2 −0.6  0.4
        marker    −1    1    1    0    0    0    0   −1      target: 0.5 + (0.5 − 0.9)/4 = 0.4

    If the draw marks the very first pair, its value counts as 0. Its marker stays −1, so that a net cannot see the
    mark; with ``first_mark=seen`` it becomes 1.

    T is the length of the shortest sequence; lengths are uniform in [T, T + T/10]. The last marked pair is read at
    least T/2 steps after it was shown. Below T=20 the first window ends at T/2 too.

    A sequence is right if the error is below 0.04. Solved: the latest 2000 training sequences all right, and their mean
    absolute error below 0.01 (criterion ST3 of the paper; an error is measured before the update of its sequence).
    The best constant output is 0.5.

    Source: Hochreiter & Schmidhuber 1997, Experiment 4, section 5.4. Published (LSTM with 93 weights, means of 10
    trials): T=100 in 74,000 sequences, T=500 in 209,000, T=1000 in 853,000.

    Args:
        T: the length of the shortest sequence, at least 6.
        first_mark: the marker of the very first pair, if the draw marks it: ``unseen``, −1, or ``seen``, 1.
        range_end: whether the length T + T/10 is ``included`` or ``excluded``.
        criterion_error: the error whose mean must be below 0.01: ``absolute``, or ``squared``.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: a setting is out of its bounds.

    """

    metrics = (*LogisticTask.metrics, SQUARED_ERROR)
    input_size = 2
    output_size = 1
    channels = ("value", "marker")
    tolerance = 0.04
    recent = 2000
    default_splits = Splits(train_size=None, test_size=2560)

    def __init__(
        self,
        T: int = 100,
        first_mark: str = "unseen",
        range_end: str = "included",
        criterion_error: str = "absolute",
        splits: Splits | None = None,
    ) -> None:
        check_integer("T", T, 6, "two pairs to mark in the first half of the sequence")
        check_choice("criterion_error", criterion_error, CRITERION_ERRORS)
        super().__init__(T, splits)
        self.reading = Reading.checked(first_mark, range_end)
        self.criterion_error = criterion_error
        first = first_is_marked(T)
        self.chance_loss = (2 - first) / 3 / 16 / 2  # half the variance of the target: uniform values have 1/3
        both = 0.16 - 0.16**2 / 4  # the density of X1 + X2 at s is (2 − |s|)/4
        self.chance_accuracy = (1 - first) * both + first * 0.16

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences."""
        drawn = draw_pairs(n, self.T, generator, low=-1.0, first_counts_as=0.0, reading=self.reading)
        return Batch.answered_last(drawn.inputs, 0.5 + (drawn.X1 + drawn.X2)[:, None] / 4, drawn.lengths)

    def judge(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``acc``, ``error`` and ``squared_error`` of each sequence."""
        return {**super().judge(outputs, batch), "squared_error": self.squared_error(outputs, batch)}

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether the latest training sequences are all right and their mean error is below 0.01."""
        error = f"recent/{CRITERION_ERRORS[self.criterion_error]}"
        return values.get("recent/acc") == 1.0 and values[error] < 0.01

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps with the marker 1."""
        return batch.inputs[..., 1] == 1


class Reading(NamedTuple):
    """How the text of the paper is read: see :class:`Adding`."""

    first_mark: str = "unseen"
    range_end: str = "included"

    @classmethod
    def checked(cls, first_mark: str, range_end: str) -> "Reading":
        """Return a reading.

        Raises:
            ValueError: a value is none of the named ones.

        """
        check_choice("first_mark", first_mark, FIRST_MARKS)
        check_choice("range_end", range_end, RANGE_ENDS)
        return cls(first_mark, range_end)


class Pairs(NamedTuple):
    """Sequences of values and markers, and the two values that count."""

    inputs: Tensor
    """[n, L, 2]."""
    lengths: Tensor
    """[n]."""
    X1: Tensor
    """[n]."""
    X2: Tensor
    """[n]."""


def draw_pairs(
    n: int, T: int, generator: torch.Generator, low: float, first_counts_as: float, reading: Reading
) -> Pairs:
    """Draw sequences with two marked pairs.

    Args:
        n: the number of sequences.
        T: the length of the shortest sequence.
        generator: the source of every random number.
        low: values are uniform in [low, 1].
        first_counts_as: the value of the very first pair, if the draw marks it.
        reading: how the text of the paper is read.

    """
    early, unmarked = windows(T)
    lengths = integers(T, highest(T, T + T // 10, reading.range_end), n, generator)
    one = integers(0, early - 1, n, generator)
    other = integers(0, unmarked - 1, n, generator)
    other += other >= one  # an index among the unmarked pairs
    rows, L = torch.arange(n), int(lengths.max())
    inputs = torch.zeros(n, L, 2)
    values = inputs[..., 0].uniform_(low, 1.0, generator=generator)
    X1 = torch.where(one == 0, first_counts_as, values[rows, one])
    X2 = torch.where(other == 0, first_counts_as, values[rows, other])
    values.masked_fill_(torch.arange(L) >= lengths[:, None], 0.0)
    markers = inputs[..., 1]
    markers[:, 0] = -1.0
    markers[rows, one] = markers[rows, other] = 1.0
    if reading.first_mark == "unseen":
        markers[:, 0] = -1.0
    markers[rows, lengths - 1] = -1.0
    return Pairs(inputs, lengths, X1, X2)


def windows(T: int) -> tuple[int, int]:
    """Return the number of pairs for the first mark, 10, and of unmarked pairs for the second, T/2 − 1."""
    return min(10, T // 2), T // 2 - 1


def first_is_marked(T: int) -> float:
    """Return the probability that the draw marks the very first pair."""
    early, unmarked = windows(T)
    return 1 / early + (1 - 1 / early) / unmarked
