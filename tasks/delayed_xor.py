"""Delayed XOR: combine two bits after a noisy gap."""

import torch
from torch import Tensor

from longlag.task import Batch, ClassificationTask, Splits, check_integer


class DelayedXOR(ClassificationTask):
    """Hold two cue bits over a noisy gap, then tell whether they differ.

    Channel 0 shows the two bits as ±1 at t=0 and t=1, channel 1 shows N(0, 1) noise from t=2 on; all else is zero. The
    target is the XOR of the bits, read after the last step: class 1 if they differ, class 0 if not. With T=4::

        channel 0    +1  −1   0    0
        channel 1     0   0  0.3 −1.2      target: 1

    With more than two bits, one at each of the first steps, the target is their parity.

    T is the length of the sequence: the first bit is read T − 1 steps after it was shown.

    The target is independent of every proper subset of the bits, and every constant output is right half of the time.
    Solved: validation accuracy of at least 0.99.

    Source: the delayed-XOR exercise of this laboratory; the 1997 paper names strongly delayed XOR problems as problems
    that the truncated gradient does not easily solve (Hochreiter & Schmidhuber 1997, section 6). No published figures.

    Args:
        T: the sequence length, at least one more than the bits.
        bits: the number of cue bits, at least 2.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: T or bits is not an integer within its bounds.

    """

    input_size = 2
    output_size = 2
    channels = ("bits", "noise")
    chance_accuracy = 0.5
    chance_loss = 0.6931471805599453  # ln 2
    answers = ("even", "odd")

    def __init__(self, T: int = 60, bits: int = 2, splits: Splits | None = None) -> None:
        check_integer("bits", bits, 2)
        check_integer("T", T, bits + 1, f"{bits} bits and a gap")
        super().__init__(T, splits)
        self.bits = bits

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences: n uniforms for each bit in turn, then the noise [n, T − bits]."""
        cues = torch.rand(self.bits, n, generator=generator) < 0.5
        inputs = torch.zeros(n, self.T, 2)
        inputs[:, : self.bits, 0] = 2.0 * cues.T - 1.0
        inputs[:, self.bits :, 1] = torch.randn(n, self.T - self.bits, generator=generator)
        return Batch.answered_last(inputs, targets=cues.sum(0) % 2)

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps of the bits."""
        return batch.inputs[..., 0] != 0
