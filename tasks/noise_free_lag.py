"""A long time lag without noise."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from longlag.task import Batch, LogisticTask, Splits, check_channels, check_integer, one_hot


class NoiseFreeLag(LogisticTask):
    """Predict the next symbol of one of two sequences, which differ in the first and the last symbol.

    The sequences are (y, a1, …, a(T−1), y) and (x, a1, …, a(T−1), x), each with probability ½. Every symbol is one-hot
    on a separate line, in the order a1, …, a(T−1), x, y; at every step the target is the next one. With T=3::

        input     y   a1  a2
        target    a1  a2  y

    T is the lag, p of the paper: the prediction of the last symbol comes T − 1 steps after the first symbol.

    A sequence is right if the errors of all outputs are below 0.25 at every step. Solved: all validation sequences
    right. The paper takes 10,000 successive ones, but only two sequences exist, and 256 contain both.
    No constant output is right.

    Source: Hochreiter & Schmidhuber 1997, Experiment 2a, section 5.2. Published (T=100, means of 18 trials): LSTM
    always in 5,040 sequences, the sequence chunker 33 % in 32,400, RTRL and BPTT 0 %.

    Args:
        T: the lag, at least 2.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: T is not an integer of at least 2.

    """

    draws_symbols: ClassVar[bool] = True
    readout = "every"
    tolerance = 0.25
    chance_accuracy = 0.0
    default_splits = Splits(train_size=None, test_size=256)

    def __init__(self, T: int = 100, splits: Splits | None = None) -> None:
        check_integer("T", T, 2, "at least one symbol between the first and the last")
        check_channels("T", T)
        super().__init__(T, splits)
        self.input_size = self.output_size = T + 1
        self.alphabet = self.answers = (*(f"a{k}" for k in range(1, T)), "x", "y")
        self.chance_loss = (T - (T - 1) / T - 1 / (2 * T)) / 2  # T targets, each aₖ once; x and y half of the time

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences."""
        return self.with_vectors(self.sample_symbols(n, generator))

    def sample_symbols(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences of symbols."""
        first = self.T - 1 + torch.randint(2, (n,), generator=generator)  # x or y
        return self._predicted(torch.cat([first[:, None], self.middle(n, generator), first[:, None]], dim=1))

    def middle(self, n: int, generator: torch.Generator) -> Tensor:
        """Return the symbols between the first and the last, [n, T − 1]."""
        return torch.arange(self.T - 1).expand(n, -1)

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether all validation sequences are right."""
        return values["val/acc"] == 1.0

    def cues(self, batch: Batch) -> Tensor:
        """Return the first step."""
        return (torch.arange(self.T) == 0).expand_as(batch.mask)

    def _predicted(self, symbols: Tensor) -> Batch:
        """Return symbols [n, T + 1] as inputs, each with the next one as its target."""
        n = len(symbols)
        every = torch.ones(n, self.T, dtype=torch.bool)
        return Batch(symbols[:, :-1], one_hot(symbols[:, 1:], self.input_size), torch.full((n,), self.T), every)
