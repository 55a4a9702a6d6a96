"""Multi-query associative recall: look up what each key was paired with."""

import math

import torch
from torch import Tensor

from longlag.task import Batch, ClassificationTask, Splits, check_integer, check_number, distinct, one_hot


class AssociativeRecall(ClassificationTask):
    """Read key-value pairs, then give the value of each key when it comes again.

    ``pairs`` keys, each followed by its value, then the same keys again in random order with blanks between them; at
    each, its value is asked for. Half of the vocabulary less the blank are keys, the other half values; the keys of a
    sequence differ. With two pairs and T=9::

        input     k3  v1  k7  v4  ·  k7  ·  ·  k3
        target                       v4        v1

    T is the length of the sequence; a key comes again up to T − 1 steps after it was paired. The places where keys come
    again are drawn without repetition from those after the pairs, place j with a weight of j^(power − 1): early ones
    are likelier.

    The loss is the cross-entropy at the keys that come again; ``acc`` is the share of them that are answered rightly. A
    cell has to keep all pairs at once: its state is what limits it. Solved: validation accuracy of at least 0.99. A
    constant output is right for one of the values.

    Source: Arora et al. 2024 (Zoology); sizes of Beck et al. 2024 (xLSTM): vocabulary 8192, with T=64 and 4
    pairs, 128 and 8, 256 and 16. Results there are curves. With a one-hot input a smaller vocabulary is the default.

    Args:
        T: the sequence length, at least three times the pairs.
        pairs: the number of pairs.
        vocabulary: the size of the alphabet with the blank; half of the others are keys.
        power: of the law by which keys come again, above 0 and at most 1; 1 is uniform.
        splits: how the sequences are drawn.

    Raises:
        ValueError: a setting is out of its bounds.

    """

    readout = "every"

    def __init__(
        self, T: int = 64, pairs: int = 4, vocabulary: int = 64, power: float = 0.01, splits: Splits | None = None
    ) -> None:
        check_integer("pairs", pairs, 1)
        check_integer("T", T, 3 * pairs, f"{pairs} pairs, and each of their keys once more")
        check_integer("vocabulary", vocabulary, max(2 * pairs + 1, 5), f"a blank, {pairs} keys, as many values")
        check_number("power", power, 0, 1, above=True)
        super().__init__(T, splits)
        self.pairs = pairs
        self.power = power
        self.keys = self.output_size = (vocabulary - 1) // 2
        self.input_size = 2 * self.keys + 1
        self.answers = tuple(f"v{k}" for k in range(1, self.keys + 1))
        self.alphabet = (*(f"k{k}" for k in range(1, self.keys + 1)), *self.answers, "·")
        self.chance_accuracy = 1 / self.output_size
        self.chance_loss = math.log(self.output_size)

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences."""
        K, blank = self.pairs, 2 * self.keys
        keys = distinct(n, self.keys, K, generator)  # [n, K], in random order
        values = torch.randint(self.keys, (n, K), generator=generator)
        places = 2 * K + self._places(n, generator)
        symbols = torch.full((n, self.T), blank)
        symbols[:, 0 : 2 * K : 2] = keys
        symbols[:, 1 : 2 * K : 2] = self.keys + values
        symbols.scatter_(1, places, keys)
        targets = torch.zeros(n, self.T, dtype=torch.long).scatter_(1, places, values)
        mask = torch.zeros(n, self.T, dtype=torch.bool).scatter_(1, places, True)
        return Batch(one_hot(symbols, self.input_size), targets, torch.full((n,), self.T), mask)

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps of the pairs."""
        return (torch.arange(self.T) < 2 * self.pairs).expand_as(batch.mask)

    def _places(self, n: int, generator: torch.Generator) -> Tensor:
        """Return where each key comes again, counted from the end of the pairs, [n, K].

        The K smallest of exponential variables with these rates are a draw without repetition with these weights
        (Efraimidis & Spirakis 2006); which place belongs to which key is random, since the keys are in random order.
        """
        free = self.T - 2 * self.pairs
        weights = torch.arange(1.0, free + 1) ** (self.power - 1)
        waits = torch.empty(n, free).exponential_(generator=generator) / weights
        places = waits.topk(self.pairs, largest=False).indices
        return places.gather(1, distinct(n, self.pairs, self.pairs, generator))
