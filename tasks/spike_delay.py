"""Measuring the delay between spikes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from longlag.task import Batch, LogisticTask, Split, Splits, check_integer


class SpikeDelay(LogisticTask):
    """At each spike, tell whether it came after T or after T + 1 steps.

    The one input line is 1 at the spikes and 0 elsewhere. The n-th spike comes at step t(n) = t(n−1) + T + I(n),
    counted from t(0) = 0 before the first step, with I(n) 0 or 1 at random. At each spike the target is I(n). With
    T=3::

        input     0  0  1  0  0  0  1
        target          0           1

    T is the shortest delay, F of the paper: the number to which a cell has to count.

    A stream is right if the error is below 0.49 at every spike. Solved: all validation streams right. The constant
    output 1 is right for a stream whose delays are all long.

    By default a stream has one delay (NMSD in the paper); ``spikes=100 eval_spikes=1000`` is the continual
    version (MSD). A published training stream ended with its first error; here it goes on.

    Source: Gers, Schraudolph & Schmidhuber 2002 ("measuring spike delays"): one cell, with and without
    peepholes, T from 10 to 50; peepholes distinguish 50 steps from 49 without short training examples.

    Args:
        T: the shortest delay, at least 1.
        spikes: the spikes in a training stream.
        eval_spikes: the spikes in a validation or test stream.
        splits: the sizes of the splits, and the seed of their streams.

    Raises:
        ValueError: a setting is not an integer within its bounds.

    """

    input_size = 1
    output_size = 1
    channels = ("line",)
    readout = "every"
    tolerance = 0.49
    default_splits = Splits(train_size=None)

    def __init__(self, T: int = 10, spikes: int = 1, eval_spikes: int = 1, splits: Splits | None = None) -> None:
        check_integer("T", T, 1)
        check_integer("spikes", spikes, 1)
        check_integer("eval_spikes", eval_spikes, 1)
        super().__init__(T, splits)
        self.spikes = spikes
        self.eval_spikes = eval_spikes
        self.chance_accuracy = 0.5**eval_spikes
        self.chance_loss = eval_spikes / 8

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` streams of the training length."""
        return self._streams(n, self.spikes, generator)

    def sample_evaluation(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` streams for validation or test, which may be longer."""
        return self._streams(n, self.eval_spikes, generator)

    def steps(self, split: Split) -> int:
        """Return the steps of the longest sequence, or fewer."""
        return self.T * (self.eval_spikes if split in ("val", "test") else self.spikes)

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether all validation streams are right."""
        return values["val/acc"] == 1.0

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps of the spikes."""
        return batch.inputs[..., 0] == 1

    def _streams(self, n: int, count: int, generator: torch.Generator) -> Batch:
        extra, at = draw_spikes(n, self.T, count, generator)
        lengths = at[:, -1] + 1
        spikes = torch.zeros(n, int(lengths.max()), 1).scatter_(1, at[..., None], 1.0)
        targets = torch.zeros_like(spikes).scatter_(1, at[..., None], extra[..., None].float())
        return Batch(spikes, targets, lengths, spikes.squeeze(2) == 1)


def draw_spikes(n: int, T: int, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return I(1), …, I(count) of ``n`` streams, 0 or 1, and the index of the step of each spike, both [n, count]."""
    extra = torch.randint(2, (n, count), generator=generator)
    return extra, (T + extra).cumsum(1) - 1
