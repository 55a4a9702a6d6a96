"""Delayed XOR: combine two bits after a noisy gap."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from longlag.task import Batch, Splits, Task


class DelayedXOR(Task):
    """Hold two cue bits over a noisy gap, then say whether they differ.

    Channel 0 shows the two bits as ±1 at t=0 and t=1, channel 1 shows N(0, 1) noise from t=2 on; all else is zero. The
    target is the XOR of the bits, read after the last step: class 1 if they differ, class 0 if not. With T=4::

        channel 0    +1  −1   0    0
        channel 1     0   0  0.3 −1.2      target: 1

    T is the length of the sequence: the first bit is read T − 1 steps after it was shown.

    Neither bit alone says anything about the target, so every constant output is right half of the time. Solved:
    validation accuracy of at least 0.99.

    Source: the delayed-XOR exercise of this laboratory; the 1997 paper names strongly delayed XOR problems as those
    that the truncated gradient does not easily solve (Hochreiter & Schmidhuber 1997, section 6). No published figures.

    Args:
        T: the sequence length, at least 3: two bits and a gap.
        splits: how the sequences are drawn.

    Raises:
        ValueError: T is not an integer of at least 3.

    """

    input_size = 2
    output_size = 2
    chance_accuracy = 0.5

    def __init__(self, T: int = 60, splits: Splits | None = None) -> None:
        if isinstance(T, bool) or not isinstance(T, int) or T < 3:
            raise ValueError(f"T must be an integer of at least 3 (two bits and a gap), got {T!r}")
        super().__init__(T, splits)

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences: n uniforms for the first bit, n for the second, then the noise [n, T − 2]."""
        first = torch.rand(n, generator=generator) < 0.5
        second = torch.rand(n, generator=generator) < 0.5
        inputs = torch.zeros(n, self.T, 2)
        inputs[:, 0, 0] = 2.0 * first - 1.0
        inputs[:, 1, 0] = 2.0 * second - 1.0
        inputs[:, 2:, 1] = torch.randn(n, self.T - 2, generator=generator)
        mask = torch.zeros(n, self.T, dtype=torch.bool)
        mask[:, -1] = True
        return Batch(inputs, targets=(first ^ second).long(), lengths=torch.full((n,), self.T), mask=mask)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the cross-entropy of the class scores ``outputs`` [B, 2]."""
        return cross_entropy(outputs, batch.targets)

    def metrics(self) -> MetricCollection:
        """Return the accuracy."""
        return MetricCollection({"acc": MulticlassAccuracy(num_classes=2, average="micro")})
