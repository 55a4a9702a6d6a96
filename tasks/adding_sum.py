"""The later adding problem: the plain sum of two marked numbers."""

import torch
from torch import Tensor

from longlag.task import Batch, RegressionTask, Splits, check_integer, integers


class AddingSum(RegressionTask):
    """Add the two marked values; the form that most papers since 2015 use.

    Each element is a pair: a value, uniform in [0, 1], and a marker. The markers of two pairs are 1, one uniform in the
    first half of the sequence, one in the second; all others are 0. The target, read at the end, is the sum of the
    marked values. With T=6::

        value   0.1  0.5  0.9  0.3  0.7  0.2
        marker    0    1    0    0    0    1      target: 0.7

    T is the length of the sequence: the first marked value is read at least T/2 steps after it was shown.

    The output unit is linear and the loss is the squared error, not half of it: the constant 1 has a loss of 1/6. A
    sequence is right if the error is below 0.04; solved: validation accuracy of at least 0.99, as Martens & Sutskever
    (2011) count it for the problem of 1997.

    Source: Le, Jaitly & Hinton 2015; Arjovsky, Shah & Bengio 2016. The papers show curves.

    Args:
        T: the sequence length, at least 2.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: T is not an integer of at least 2.

    """

    input_size = 2
    output_size = 1
    channels = ("value", "marker")
    tolerance = 0.04
    chance_accuracy = 0.0784  # the density of the sum is 1 − |s − 1|: 2 · 0.04 − 0.04²
    chance_loss = 1 / 6
    default_splits = Splits(train_size=None)

    def __init__(self, T: int = 100, splits: Splits | None = None) -> None:
        check_integer("T", T, 2, "a marked pair in each half")
        super().__init__(T, splits)

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences."""
        half, rows = self.T // 2, torch.arange(n)
        values = torch.rand(n, self.T, generator=generator)
        one = integers(0, half - 1, n, generator)
        other = integers(half, self.T - 1, n, generator)
        markers = torch.zeros(n, self.T)
        markers[rows, one] = markers[rows, other] = 1.0
        total = values[rows, one] + values[rows, other]
        return Batch.answered_last(torch.stack([values, markers], dim=2), total[:, None])

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the mean squared error of ``outputs`` [B, 1]."""
        return 2 * super().loss(outputs, batch)

    def cues(self, batch: Batch) -> Tensor:
        """Return the marked steps."""
        return batch.inputs[..., 1] == 1
