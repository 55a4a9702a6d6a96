"""The latch problem: hold one bit."""

import torch
from torch import Tensor

from longlag.task import Batch, RegressionTask, Splits, check_integer


class Latch(RegressionTask):
    """Hold one bit on a noisy line.

    The first element is +1 or −1, each with probability ½; all later ones are Gaussian with mean 0 and variance 0.2.
    The target at the end is +0.8 or −0.8, for a tanh output unit. With T=4::

        −1  0.2  −0.5  0.4      target: −0.8

    T is the length of the sequence: the bit is read T − 1 steps after it was shown.

    A sequence is right if the output has the sign of the target; a constant output is right for half of them. Solved:
    validation accuracy of at least 0.99.

    Source: Bengio, Simard & Frasconi 1994. There the two values at t=0 are trained parameters, and the net is one tanh
    unit with a recurrent weight; a data set has to fix the values: here at ±1, as in the second variant of Schmidhuber,
    Hochreiter & Bengio ("Evaluating benchmark problems by random guessing", 2001), where 22 guesses of the weights
    solve it on average.

    Args:
        T: the sequence length, at least 2.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: T is not an integer of at least 2.

    """

    input_size = 1
    output_size = 1
    channels = ("line",)
    chance_accuracy = 0.5
    chance_loss = 0.32
    default_splits = Splits(train_size=None)

    def __init__(self, T: int = 100, splits: Splits | None = None) -> None:
        check_integer("T", T, 2, "a bit and a gap")
        super().__init__(T, splits)

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences."""
        sign = 2.0 * (torch.rand(n, generator=generator) < 0.5) - 1.0
        inputs = 0.2**0.5 * torch.randn(n, self.T, 1, generator=generator)
        inputs[:, 0, 0] = sign
        return Batch.answered_last(inputs, 0.8 * sign[:, None])

    def unit(self, outputs: Tensor) -> Tensor:
        """Return tanh(outputs)."""
        return torch.tanh(outputs)

    def judge(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``acc``, whether the sign is right, and ``error``."""
        values = self.unit(outputs)
        right = (values * batch.targets > 0).float()
        return {"acc": right.squeeze(1), "error": (values - batch.targets).abs().squeeze(1)}

    def cues(self, batch: Batch) -> Tensor:
        """Return the first step."""
        return (torch.arange(self.T) == 0).expand_as(batch.mask)
