"""The temporal order problem as an endless stream."""

from collections.abc import Mapping
from itertools import product

import torch
from torch import Tensor

from longlag.task import Batch, Split, Splits, StreamTask, check_integer, joined, one_hot

from .temporal_order import ALPHABET, draw_orders


class ContinualTemporalOrder(StreamTask):
    """Name the order of three symbols again and again, without a reset between the sequences.

    A stream is made of sequences of the temporal order problem with three symbols, one after the other. At the last
    symbol of each, B, the target is its class. With two sequences in a stream::

        E  c  X  a  …  Y  …  Y  b  B  E  d  Y  …  X  …  X  B
                                   ↑ XYY                   ↑ YXX

    T is the length of the shortest sequence in a stream, as in the temporal order problem.

    An answer is right if the errors of all outputs are below 0.3. Solved: every answer of all validation streams right,
    which are as long as the published ones, 100 sequences. A constant output is right for one class. Errors count at
    the ends of the sequences only; the papers define no targets elsewhere, and a published training stream ended with
    its first error, while this one goes on.

    Source: Gers, Schmidhuber & Cummins 2000 (the "continual noisy temporal order problem").

    Args:
        T: the length of the shortest sequence, at least 10.
        sequences: the sequences in a training stream.
        eval_sequences: the sequences in a validation or test stream; 100 in the paper.
        splits: the sizes of the splits, and the seed of their streams.

    Raises:
        ValueError: a setting is not an integer within its bounds.

    """

    input_size = 8
    output_size = 8
    tolerance = 0.3
    chance_accuracy = 1 / 8
    alphabet = ALPHABET
    answers = tuple("".join(order) for order in product("XY", repeat=3))
    default_splits = Splits(batch_size=32, train_size=None, val_size=10, test_size=10)

    def __init__(
        self, T: int = 100, sequences: int = 10, eval_sequences: int = 100, splits: Splits | None = None
    ) -> None:
        check_integer("T", T, 10, "windows that do not overlap")
        check_integer("sequences", sequences, 1)
        check_integer("eval_sequences", eval_sequences, 1)
        super().__init__(T, splits)
        self.sequences = sequences
        self.eval_sequences = eval_sequences
        self.chance_loss = eval_sequences * (1 - 1 / 8) / 2

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` streams of the training length."""
        return self._streams(n, self.sequences, generator)

    def sample_evaluation(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` streams for validation or test; they are longer."""
        return self._streams(n, self.eval_sequences, generator)

    def steps(self, split: Split) -> int:
        """Return the steps of the longest sequence, or fewer."""
        return self.T * (self.eval_sequences if split in ("val", "test") else self.sequences)

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether every answer of every validation stream is right."""
        return values["val/perfect"] == 1.0

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps of X and Y."""
        return batch.inputs[..., -2:].any(-1)

    def _streams(self, n: int, count: int, generator: torch.Generator) -> Batch:
        symbols, classes, lengths = draw_orders(n * count, self.T, 3, generator)
        inputs, totals = joined(one_hot(symbols, self.input_size, lengths), lengths, count)  # [n, L, 8]
        ends = lengths.view(n, count).cumsum(1) - 1
        rows = torch.arange(n)[:, None]
        mask = torch.zeros(inputs.shape[:2], dtype=torch.bool)
        mask[rows, ends] = True
        targets = torch.zeros(*mask.shape, self.output_size)
        targets[rows, ends, classes.view(n, count)] = 1.0
        return Batch(inputs, targets, totals, mask)
