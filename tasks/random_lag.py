"""A long time lag without local regularities."""

from collections.abc import Mapping

import torch
from torch import Tensor

from longlag.task import Batch, Splits, check_choice

from .noise_free_lag import NoiseFreeLag

#: Which successive sequences must all be right.
JUDGED = ("validation", "training")
SUCCESSIVE = 10_000


class RandomLag(NoiseFreeLag):
    """Predict the last symbol, which equals the first, after a random sequence of others.

    As the noise-free lag, but the T − 1 symbols between the first and the last are drawn at random from a1, …, a(T−1).
    The sequence has no local regularity that a net could use to compress it. With T=4::

        input     x   a3  a1  a3
        target    a3  a1  a3  x

    T is the lag, p of the paper: the prediction of the last symbol comes T − 1 steps after the first symbol.

    The loss counts every step, as published, though only the last symbol is predictable. A sequence is right if
    the errors of all outputs are below 0.25 at its end. Solved: all validation sequences right, 10,000 in the paper and
    by default. The best constant output is right for one of x and y.

    Source: Hochreiter & Schmidhuber 1997, Experiment 2b, section 5.2. Published (T=100, 18 trials): LSTM always, in
    5,680 sequences on average; BPTT, RTRL and the sequence chunker fail.

    Args:
        T: the lag, at least 2.
        judged: the sequences that must all be right: those of ``validation``, with the weights of one moment, or the
            latest 10,000 of ``training``, each before its update.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: a setting is out of its bounds.

    """

    chance_accuracy = 0.5
    default_splits = Splits(train_size=None, val_size=10_000, test_size=10_000)

    def __init__(self, T: int = 100, judged: str = "validation", splits: Splits | None = None) -> None:
        check_choice("judged", judged, JUDGED)
        super().__init__(T, splits)
        self.judged = judged
        self.recent = SUCCESSIVE if judged == "training" else 0

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether all judged sequences are right."""
        return values.get("recent/acc" if self.recent else "val/acc") == 1.0

    def middle(self, n: int, generator: torch.Generator) -> Tensor:
        """Return the symbols between the first and the last, [n, T − 1]."""
        return torch.randint(self.T - 1, (n, self.T - 1), generator=generator)

    def scored(self, batch: Batch) -> Tensor:
        """Return the last step of each sequence: ``acc`` and ``error`` are of this step alone."""
        return torch.arange(batch.mask.shape[1], device=batch.mask.device) == (batch.lengths - 1)[:, None]
