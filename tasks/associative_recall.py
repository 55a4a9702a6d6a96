"""Multi-query associative recall: look up the value of each key."""

import math

import torch
from torch import Tensor

from longlag.task import (
    Batch,
    ClassificationTask,
    Splits,
    check_channels,
    check_integer,
    check_number,
    check_switch,
    distinct,
    one_hot,
)


class AssociativeRecall(ClassificationTask):
    """Read key-value pairs, then give the value of each key when it comes again.

    ``pairs`` keys, each followed by its value, then the same keys again at random places; there the target is the value
    of the key. The first symbol of the vocabulary is a blank, the rest of its first half are keys, its second half
    values; the keys of a sequence differ, and so do the values. With two pairs and T=10::

        input     k3  v1  k7  v4  ·  ·  k3  ·  k7  ·
        target                          v1     v4

    By default (``fillers``) every blank is replaced by a random symbol of the vocabulary, which may be any key or
    value: a net has to ignore it.

    T is the length of the sequence; a key comes again up to T − 1 steps after its pair. Keys come again at every
    second step after the pairs only; these places are drawn one after the other without repetition, place j with a
    weight of j^(power − 1), which prefers early places, and go to the keys in the order of the pairs.

    The loss is the cross-entropy at the keys that come again; ``acc`` is the share of right answers. A cell has to
    keep all pairs at once, so the size of its state is the limit. Solved: validation accuracy of at least 0.99. A
    constant output is right for one of the values.

    Source: Arora et al. 2024 (Zoology), with the settings of its generator; sizes of Beck et al. 2024 (xLSTM):
    vocabulary 8192, with T=64 and 4 pairs, 128 and 8, 256 and 16. Results there are curves. With a one-hot input a
    smaller vocabulary is the default.

    Args:
        T: the sequence length, at least four times the pairs.
        pairs: the number of pairs.
        vocabulary: the size of the alphabet: a blank, keys, and as many values as both together, or one more.
        power: the exponent of the power law of the places, above 0 and at most 1; 1 is uniform.
        fillers: whether random symbols replace the blanks.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: a setting is out of its bounds.

    """

    readout = "every"
    default_splits = Splits(train_size=None)

    def __init__(
        self,
        T: int = 64,
        pairs: int = 4,
        vocabulary: int = 64,
        power: float = 0.01,
        fillers: bool = True,
        splits: Splits | None = None,
    ) -> None:
        check_integer("pairs", pairs, 1)
        check_integer("T", T, 4 * pairs, f"{pairs} pairs, and every second step for each of their keys")
        check_integer("vocabulary", vocabulary, 2 * pairs + 2, f"a blank, {pairs} keys, {pairs + 1} values")
        check_channels("vocabulary", vocabulary)
        check_number("power", power, 0, 1, above=True)
        check_switch("fillers", fillers)
        super().__init__(T, splits)
        self.pairs = pairs
        self.power = power
        self.fillers = fillers
        self.keys = vocabulary // 2 - 1
        self.input_size, self.output_size = vocabulary, vocabulary - vocabulary // 2
        self.answers = tuple(f"v{k}" for k in range(1, self.output_size + 1))
        self.alphabet = ("·", *(f"k{k}" for k in range(1, self.keys + 1)), *self.answers)
        self.chance_accuracy = 1 / self.output_size
        self.chance_loss = math.log(self.output_size)

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences."""
        K = self.pairs
        keys = 1 + distinct(n, self.keys, K, generator)  # [n, K], in random order
        values = distinct(n, self.output_size, K, generator)
        places = 2 * K + 2 * self._gaps(n, generator)
        symbols = torch.zeros(n, self.T, dtype=torch.long)
        if self.fillers:
            symbols[:, 2 * K :] = torch.randint(self.input_size, (n, self.T - 2 * K), generator=generator)
        symbols[:, 0 : 2 * K : 2] = keys
        symbols[:, 1 : 2 * K : 2] = 1 + self.keys + values
        symbols.scatter_(1, places, keys)
        targets = torch.zeros(n, self.T, dtype=torch.long).scatter_(1, places, values)
        mask = torch.zeros(n, self.T, dtype=torch.bool).scatter_(1, places, True)
        return Batch(one_hot(symbols, self.input_size), targets, torch.full((n,), self.T), mask)

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps of the pairs."""
        return (torch.arange(self.T) < 2 * self.pairs).expand_as(batch.mask)

    def _gaps(self, n: int, generator: torch.Generator) -> Tensor:
        """Return the places where the keys come again, counted in pairs of steps, in the order of the draw, [n, K].

        The smallest of exponential variables with these rates, in order, are a draw without repetition with these
        weights (Efraimidis & Spirakis 2006).
        """
        free = (self.T - 2 * self.pairs) // 2
        weights = torch.arange(1.0, free + 1) ** (self.power - 1)
        waits = torch.empty(n, free).exponential_(generator=generator) / weights
        return waits.topk(self.pairs, largest=False).indices
