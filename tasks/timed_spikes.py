"""Generating spikes at the delays that the input demands."""

from collections.abc import Mapping

import torch
from torch import Tensor

from longlag.task import Batch, Split, Splits, StreamTask, check_integer, valid_steps

from .spike_delay import draw_spikes


class TimedSpikes(StreamTask):
    """Generate spikes, each T or T + 1 steps after the previous one, as the input demands.

    The roles of the spike-delay task exchanged: the n-th spike, now a target, comes at step t(n) = t(n−1) + T + I(n),
    counted from t(0) = 0 before the first step. The one input line shows I(n), 0 or 1 at random, at the first step
    after spike n − 1; the line is 0 otherwise. The target is 1 at the spikes and 0 at all other steps. With T=3::

        input     0  0  0  1  0  0  0
        target    0  0  1  0  0  0  1

    T is the shortest delay, F of the paper: the number to which a cell has to count without help from the input.

    An answer is right if the error is below 0.49. Solved: every answer of all validation streams right. The best
    constant output is 0, right at all steps except the spikes.

    The paper does not say when the input shows I(n); here it does so as early as possible. Streams have 10 spikes in
    training, 100 in validation and test; a published stream ended with its first error.

    Source: Gers, Schraudolph & Schmidhuber 2002 ("generating timed spikes"): only solved with peepholes.

    Args:
        T: the shortest delay, at least 2.
        spikes: the spikes in a training stream.
        eval_spikes: the spikes in a validation or test stream.
        splits: the sizes of the splits, and the seed of their streams.

    Raises:
        ValueError: a setting is not an integer within its bounds.

    """

    input_size = 1
    output_size = 1
    channels = ("line",)
    tolerance = 0.49
    default_splits = Splits(batch_size=32, train_size=None, val_size=32, test_size=32)

    def __init__(self, T: int = 10, spikes: int = 10, eval_spikes: int = 100, splits: Splits | None = None) -> None:
        check_integer("T", T, 2, "a step between two spikes")
        check_integer("spikes", spikes, 1)
        check_integer("eval_spikes", eval_spikes, 1)
        super().__init__(T, splits)
        self.spikes = spikes
        self.eval_spikes = eval_spikes
        often = 1 / (T + 0.5)  # the share of steps with a spike
        self.chance_accuracy = 1 - often
        self.chance_loss = eval_spikes * (1 - often) / 2

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` streams of the training length."""
        return self._streams(n, self.spikes, generator)

    def sample_evaluation(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` streams for validation or test; they are longer."""
        return self._streams(n, self.eval_spikes, generator)

    def steps(self, split: Split) -> int:
        """Return the steps of the longest sequence, or fewer."""
        return self.T * (self.eval_spikes if split in ("val", "test") else self.spikes)

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether every answer of every validation stream is right."""
        return values["val/perfect"] == 1.0

    def cues(self, batch: Batch) -> Tensor:
        """Return the first step after each spike, where the line tells the next delay."""
        spikes = batch.targets[..., 0] == 1
        after = spikes.roll(1, 1)
        after[:, 0] = True
        return after & batch.mask

    def _streams(self, n: int, count: int, generator: torch.Generator) -> Batch:
        extra, at = draw_spikes(n, self.T, count, generator)
        lengths = at[:, -1] + 1
        L = int(lengths.max())
        targets = torch.zeros(n, L, 1).scatter_(1, at[..., None], 1.0)
        starts = torch.cat([torch.zeros(n, 1, dtype=torch.long), at[:, :-1] + 1], dim=1)
        inputs = torch.zeros(n, L, 1).scatter_(1, starts[..., None], extra[..., None].float())
        return Batch(inputs, targets, lengths, valid_steps(lengths, L))
