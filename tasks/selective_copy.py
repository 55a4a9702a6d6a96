"""Selective copying: repeat the symbols that are scattered among blanks."""

import math

import torch
from torch import Tensor

from longlag.task import Batch, ClassificationTask, Split, Splits, check_channels, check_integer, distinct, one_hot


class SelectiveCopy(ClassificationTask):
    """Repeat, in order, the symbols that came at random places among blanks.

    T steps of blanks, with ``tokens`` symbols at random places among them, then as many markers as there are symbols.
    At the markers the targets are the symbols in their order. With T=5, two tokens, 2 and 1::

        input     ·  2  ·  1  ·  :  :
        target                   2  1

    T is the number of steps before the first marker: a net repeats the first symbol up to T steps after it saw it, and
    has to learn what to keep.

    The loss is the cross-entropy at the markers; ``acc`` is the share of right answers. Solved:
    validation accuracy of at least 0.99. A constant output is right for one of the symbols.

    Source: Gu & Dao 2023 (Mamba), after Jing et al. 2019; the published size is 16 tokens, 4096 steps
    and a vocabulary of 16 with the blank and the marker, so ``T=4096 tokens=16 vocabulary=16``. Published accuracies
    (Feng et al. 2024): minGRU of three layers 99.5 %, minLSTM 96.0 %.

    Args:
        T: the steps before the markers, at least ``tokens``.
        tokens: the number of symbols to repeat.
        vocabulary: the size of the alphabet, at least 4: two symbols, the blank and the marker.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: a setting is not an integer within its bounds.

    """

    readout = "every"
    default_splits = Splits(train_size=None)

    def __init__(self, T: int = 100, tokens: int = 16, vocabulary: int = 16, splits: Splits | None = None) -> None:
        check_integer("tokens", tokens, 1)
        check_integer("T", T, tokens, f"a step for each of the {tokens} tokens")
        check_integer("vocabulary", vocabulary, 4, "two symbols, a blank and a marker")
        check_channels("vocabulary", vocabulary)
        super().__init__(T, splits)
        self.tokens = tokens
        self.input_size, self.output_size = vocabulary, vocabulary - 2
        self.answers = tuple(str(k) for k in range(1, vocabulary - 1))
        self.alphabet = (*self.answers, "·", ":")
        self.chance_accuracy = 1 / self.output_size
        self.chance_loss = math.log(self.output_size)

    def steps(self, split: Split) -> int:
        """Return the steps of the longest sequence, or fewer."""
        return self.T + self.tokens

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences."""
        L, blank = self.T + self.tokens, self.output_size
        places = distinct(n, self.T, self.tokens, generator).sort(1).values  # [n, tokens]
        tokens = torch.randint(self.output_size, (n, self.tokens), generator=generator)
        symbols = torch.full((n, L), blank)
        symbols.scatter_(1, places, tokens)
        symbols[:, self.T :] = blank + 1
        targets = torch.zeros(n, L, dtype=torch.long)
        targets[:, self.T :] = tokens
        mask = (torch.arange(L) >= self.T).repeat(n, 1)
        return Batch(one_hot(symbols, self.input_size), targets, torch.full((n,), L), mask)

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps of the symbols to repeat."""
        return batch.inputs[..., : self.output_size].any(-1)
