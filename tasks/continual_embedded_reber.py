"""The embedded Reber grammar as an endless stream."""

from collections.abc import Mapping

import torch
from torch import Tensor

from longlag.task import Batch, Split, Splits, StreamTask, check_integer, joined, one_hot

from .embedded_reber import ALPHABET, SHORTEST, EmbeddedGrammar


class ContinualEmbeddedReber(StreamTask):
    """Name the symbols that may come next, in an endless stream of embedded Reber strings without any reset.

    A stream is made of strings of the embedded Reber grammar, one after the other, cut at a fixed length. At every step
    the targets are 1 for each symbol that may come next and 0 for all others::

        input     B   T  B   T   X   S   E  T  E  B   P  …
        legal     TP  B  TP  SX  XS  E   T  E  B  TP  B  …

    T is the length of the shortest string in a stream; with T=9, the published grammar, the second symbol comes again
    at least 7 steps later.

    An answer is right if the errors of all outputs are below 0.49. A single output of the published net, trained on the
    next symbol alone, would stay near 0.5 at a fork and miss that bound: hence targets for all legal symbols. Solved:
    every answer of all validation streams right ("perfect" in the paper, on ten streams of 100,000 symbols each).
    ``eval_symbols=100000`` makes validation and test streams as long; 10,000 take a tenth of the time. A published
    training stream ended with its first error; this one goes on. The best constant output is right where T and P are
    legal.

    Source: Gers, Schmidhuber & Cummins 2000, Table 2. Published (100 nets): LSTM without forget gates never
    perfect, with forget gates 18 % perfect, with a learning rate that decays along each stream 62 %.

    Args:
        T: the length of the shortest string, at least 9.
        symbols: the length of a training stream.
        eval_symbols: the length of a validation or test stream.
        splits: the sizes of the splits, and the seed of their streams.

    Raises:
        ValueError: a setting is not an integer within its bounds.

    """

    input_size = 7
    output_size = 7
    tolerance = 0.49
    alphabet = ALPHABET
    answers = ALPHABET
    default_splits = Splits(batch_size=32, train_size=None, val_size=10, test_size=10)

    def __init__(
        self, T: int = SHORTEST, symbols: int = 500, eval_symbols: int = 10_000, splits: Splits | None = None
    ) -> None:
        check_integer("T", T, SHORTEST, "the shortest string of the grammar")
        check_integer("symbols", symbols, 1)
        check_integer("eval_symbols", eval_symbols, 1)
        super().__init__(T, splits)
        self.symbols = symbols
        self.eval_symbols = eval_symbols
        self.grammar = EmbeddedGrammar(T)
        self.chance_accuracy, self.chance_loss = self._chances()

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` streams of the training length."""
        return self._streams(n, self.symbols, generator)

    def sample_evaluation(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` streams for validation or test; they are longer."""
        return self._streams(n, self.eval_symbols, generator)

    def steps(self, split: Split) -> int:
        """Return the steps of the longest sequence, or fewer."""
        return self.eval_symbols if split in ("val", "test") else self.symbols

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether every answer of every validation stream is right."""
        return values["val/perfect"] == 1.0

    def cues(self, batch: Batch) -> Tensor:
        """Return the second step of each string: the step after the first B, or after a B that follows an E."""
        symbols = batch.inputs.argmax(-1)
        before = symbols.roll(1, 1)
        opening = (symbols == ALPHABET.index("B")) & (before == ALPHABET.index("E"))
        opening[:, 0] = True
        cue = opening.roll(1, 1)
        cue[:, 0] = False
        return cue

    def _streams(self, n: int, length: int, generator: torch.Generator) -> Batch:
        strings = -(-(length + 1) // self.T)  # enough strings of any lengths
        symbols, states, lengths = self.grammar.walk(n * strings, generator)
        steps, _ = joined(torch.stack([symbols, states], dim=2), lengths, strings)  # [n, L, 2]
        inputs = one_hot(steps[:, :length, 0], self.input_size)
        legal = self.grammar.legal[steps[:, 1 : length + 1, 1]].float()
        every = torch.ones(n, length, dtype=torch.bool)
        return Batch(inputs, legal, torch.full((n,), length), every)

    def _chances(self) -> tuple[float, float]:
        """Return the accuracy of the most frequent set of legal symbols, and the loss of the best constant.

        Both hold for a stream of any length, since its first string is like all others.
        """
        visits = self.grammar.usage().sum(1)[:-1]
        share = visits / visits.sum()
        legal = self.grammar.legal[:-1]
        sets, which = torch.unique(legal, dim=0, return_inverse=True)
        by_set = torch.zeros(len(sets), dtype=torch.float64).scatter_add_(0, which, share)
        often = (share[:, None] * legal).sum(0)  # [7], how often each symbol is legal
        return by_set.max().item(), (often * (1 - often)).sum().item() * self.eval_symbols / 2
