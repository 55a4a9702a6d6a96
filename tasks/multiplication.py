"""The multiplication problem: multiply two marked numbers."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from longlag.task import SQUARED_ERROR, Batch, LogisticTask, Splits, check_integer

from .adding import Reading, draw_pairs, first_is_marked


class Multiplication(LogisticTask):
    """Multiply the two marked values among distractors.

    As in the adding problem of 1997, but values are uniform in [0, 1], the target is X1 · X2, and a marked very first
    pair counts as 1. With T=8::

        value    0.1  0.5  0.9  0.3  0.7  0.2  0.6  0.4
        marker    −1    1    1    0    0    0    0   −1      target: 0.5 · 0.9 = 0.45

    T is the length of the shortest sequence; lengths are uniform in [T, T + T/10]. The last marked pair is read at
    least T/2 steps after it was shown.

    A sequence is right if the error is below 0.04. Solved: fewer than ``max_wrong`` of the latest 2000 training
    sequences wrong. A run records the mean squared error as ``squared_error`` beside the mean absolute error: the
    column of that name in the paper fits the latter better. The best constant for the accuracy is 0.04, for the loss
    0.25 where the first pair is not marked.

    Source: Hochreiter & Schmidhuber 1997, Experiment 5, section 5.5. Published (LSTM with 93 weights, T=100, means of
    10 trials): 482,000 sequences for max_wrong=140, 1,273,000 for max_wrong=13 (n_seq of the paper).

    Args:
        T: the length of the shortest sequence, at least 6.
        max_wrong: a run with this many wrong sequences of 2000 is not solved; at least 1.
        first_mark: the marker of the very first pair, if the draw marks it: ``unseen``, −1, or ``seen``, 1.
        range_end: whether the length T + T/10 is ``included`` or ``excluded``.
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
        max_wrong: int = 140,
        first_mark: str = "unseen",
        range_end: str = "included",
        splits: Splits | None = None,
    ) -> None:
        check_integer("T", T, 6, "two pairs to mark in the first half of the sequence")
        check_integer("max_wrong", max_wrong, 1, f"of {self.recent} sequences", at_most=self.recent)
        super().__init__(T, splits)
        self.max_wrong = max_wrong
        self.reading = Reading.checked(first_mark, range_end)
        first = first_is_marked(T)  # then the target is one uniform value, else the product of two
        variance = (1 - first) * 7 / 144 + first / 12 + first * (1 - first) / 16
        self.chance_loss = variance / 2
        self.chance_accuracy = (1 - first) * 0.08 * (1 - math.log(0.08)) + first * 0.08

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences."""
        drawn = draw_pairs(n, self.T, generator, low=0.0, first_counts_as=1.0, reading=self.reading)
        return Batch.answered_last(drawn.inputs, (drawn.X1 * drawn.X2)[:, None], drawn.lengths)

    def judge(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``acc``, ``error`` and ``squared_error`` of each sequence."""
        return {**super().judge(outputs, batch), "squared_error": self.squared_error(outputs, batch)}

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether few enough of the latest training sequences are wrong."""
        accuracy = values.get("recent/acc")
        return accuracy is not None and round((1 - accuracy) * self.recent) < self.max_wrong

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps with the marker 1."""
        return batch.inputs[..., 1] == 1
