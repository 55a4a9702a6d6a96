"""Very long time lags among many distractors."""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from longlag.task import (
    Batch,
    LogisticTask,
    Splits,
    check_channels,
    check_choice,
    check_integer,
    check_number,
    one_hot,
    valid_steps,
)

from .random_lag import JUDGED, SUCCESSIVE


class DistractorLag(LogisticTask):
    """Recall the second symbol when the trigger comes, after a long random sequence of distractors.

    A sequence is b (begin), then x or y with probability ½ each, then T distractors drawn at random from a1, …, ap.
    Then, again and again, another distractor follows with probability 0.9, or the trigger e with probability 0.1, which
    ends the sequence: the target is its x or y. The inputs are one-hot in the order a1, …, ap, e, b, x, y. With T=3 and
    p=2::

        b  y  a2  a1  a1  a2  e      target: y, (0, 1)

    T is the smallest number of distractors, q of the paper: a net recalls the symbol at least T + 1 steps after it
    saw it. p, the number of different distractors, is T by default: with p < T each comes several times, which makes
    the task harder.

    A sequence is right if both errors are below 0.2. Solved: all validation sequences right, 10,000 in the paper and by
    default. A constant output is right for one of x and y.

    The paper counts the predicted symbol too, so that its sequences have at least T + 4 symbols. The rule above gives a
    mean length of T + 13; the paper prints T + 14.

    Source: Hochreiter & Schmidhuber 1997, Experiment 2c, section 5.2. Published (LSTM, means of 20 trials): p = T = 50
    in 30,000 sequences, p = T = 1000 in 49,000; T=1000 with p=50 in 203,000.

    Args:
        T: the smallest number of distractors, at least 1.
        p: the number of different distractors, at least 1; T by default.
        trigger_probability: the probability that the next symbol is the trigger, above 0.
        judged: the sequences that must all be right: those of ``validation``, with the weights of one moment, or the
            latest 10,000 of ``training``, each before its update.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: a setting is out of its bounds.

    """

    draws_symbols: ClassVar[bool] = True
    output_size = 2
    tolerance = 0.2
    chance_accuracy = 0.5
    chance_loss = 0.25
    answers = ("x", "y")
    default_splits = Splits(train_size=None, val_size=10_000, test_size=10_000)

    def __init__(
        self,
        T: int = 100,
        p: int | None = None,
        trigger_probability: float = 0.1,
        judged: str = "validation",
        splits: Splits | None = None,
    ) -> None:
        check_integer("T", T, 1, "distractors")
        if p is not None:
            check_integer("p", p, 1, "different distractors")
        check_number("trigger_probability", trigger_probability, 0, 1, above=True)
        check_choice("judged", judged, JUDGED)
        super().__init__(T, splits)
        self.p = T if p is None else p
        self.trigger_probability = trigger_probability
        self.judged = judged
        self.recent = SUCCESSIVE if judged == "training" else 0
        check_channels("T" if p is None else "p", self.p)
        self.input_size = self.p + 4
        self.alphabet = (*(f"a{k}" for k in range(1, self.p + 1)), "e", "b", "x", "y")

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences."""
        return self.with_vectors(self.sample_symbols(n, generator))

    def sample_symbols(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences of symbols."""
        e, b, x = self.p, self.p + 1, self.p + 2
        lengths = 2 + self.T + self._more(n, generator) + 1
        rows, L = torch.arange(n), int(lengths.max())
        symbols = torch.randint(self.p, (n, L), generator=generator)
        which = torch.randint(2, (n,), generator=generator)
        symbols[:, 0] = b
        symbols[:, 1] = x + which
        symbols[rows, lengths - 1] = e
        targets = one_hot(which[:, None], 2).squeeze(1)
        return Batch.answered_last(symbols, targets, lengths)

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether all judged sequences are right."""
        return values.get("recent/acc" if self.recent else "val/acc") == 1.0

    def cues(self, batch: Batch) -> Tensor:
        """Return the second step."""
        return (torch.arange(batch.mask.shape[1]) == 1) & valid_steps(batch.lengths, batch.mask.shape[1])

    def _more(self, n: int, generator: torch.Generator) -> Tensor:
        """Return the number of distractors beyond the first T: geometric, [n]."""
        if self.trigger_probability == 1:
            return torch.zeros(n, dtype=torch.long)
        uniform = 1 - torch.rand(n, generator=generator, dtype=torch.float64)  # in (0, 1]
        return (uniform.log() / math.log(1 - self.trigger_probability)).long()
