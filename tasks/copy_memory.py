"""The copy problem: repeat a string after a long blank."""

import math

import torch
from torch import Tensor

from longlag.task import (
    Batch,
    ClassificationTask,
    Split,
    Splits,
    check_channels,
    check_integer,
    check_switch,
    integers,
    one_hot,
)


class CopyMemory(ClassificationTask):
    """Repeat ten symbols after T blanks.

    Ten symbols, each uniform among eight, then T − 1 blanks, then a delimiter, then ten blanks. The target is blank at
    every step but the last ten, where it is the ten symbols in order. With two symbols, 3 and 1, and T=3::

        input     3  1  ·  ·  :  ·  ·
        target    ·  ·  ·  ·  ·  3  1

    T is the gap: a net repeats each symbol T + length steps after it saw it, T + 10 by default. The sequence has
    T + 2 · length steps. With ``variable_gap``, the gap of each sequence is uniform in [1, T].

    The loss is the cross-entropy, averaged over all steps; ``acc`` is the share of the last ten targets that are right.
    A net without memory that only knows when to answer has a loss of 10 · ln 8 / (T + 20) (``memoryless_loss``).
    Solved: validation accuracy of at least 0.99; the papers show curves of the loss. A constant output is right for one
    symbol of eight.

    Source: Hochreiter & Schmidhuber 1997 for the idea; in this form Arjovsky, Shah & Bengio 2016. The
    variable gap: Henaff, Szlam & LeCun 2016. Published: LSTM and tanh RNN stay at the memoryless loss from T=200 on
    (2016); below it with chrono initialisation (Tallec & Ollivier 2018).

    Args:
        T: the gap, or the longest gap, at least 1.
        length: the number of symbols to repeat.
        symbols: the number of different symbols, at least 2.
        variable_gap: whether the gap varies.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: a setting is out of its bounds.

    """

    readout = "every"
    default_splits = Splits(train_size=None)

    def __init__(
        self,
        T: int = 100,
        length: int = 10,
        symbols: int = 8,
        variable_gap: bool = False,
        splits: Splits | None = None,
    ) -> None:
        check_integer("T", T, 1, "the delimiter")
        check_integer("length", length, 1)
        check_integer("symbols", symbols, 2)
        check_channels("symbols", symbols)
        check_switch("variable_gap", variable_gap)
        super().__init__(T, splits)
        self.length = length
        self.symbols = symbols
        self.variable_gap = variable_gap
        names = (*(str(k) for k in range(1, symbols + 1)), "·")
        self.alphabet, self.answers = (*names, ":"), names
        self.input_size, self.output_size = symbols + 2, symbols + 1
        gaps = range(1, T + 1) if variable_gap else (T,)
        asked = sum(length / (gap + 2 * length) for gap in gaps) / len(gaps)  # the share of steps with a symbol
        self.chance_accuracy = 1 / symbols
        self.chance_loss = -(1 - asked) * math.log(1 - asked) - asked * math.log(asked / symbols)
        self.memoryless_loss = asked * math.log(symbols)

    def steps(self, split: Split) -> int:
        """Return the steps of the longest sequence, or fewer."""
        return (1 if self.variable_gap else self.T) + 2 * self.length

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences."""
        k, blank = self.length, self.symbols
        gaps = integers(1 if self.variable_gap else self.T, self.T, n, generator)
        shown = torch.randint(self.symbols, (n, k), generator=generator)
        lengths = gaps + 2 * k
        rows, L = torch.arange(n), int(lengths.max())
        symbols = torch.full((n, L), blank)
        symbols[:, :k] = shown
        symbols[rows, k + gaps - 1] = blank + 1
        targets = torch.full((n, L), blank)
        targets.scatter_(1, (k + gaps)[:, None] + torch.arange(k), shown)
        mask = torch.arange(L) < lengths[:, None]
        return Batch(one_hot(symbols, self.input_size, lengths), targets, lengths, mask)

    def scored(self, batch: Batch) -> Tensor:
        """Return the steps of the symbols: ``acc`` is the share of the symbols that the outputs repeat correctly."""
        return batch.mask & (batch.targets != self.symbols)

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps of the symbols to repeat."""
        return (torch.arange(batch.mask.shape[1]) < self.length).expand_as(batch.mask)
