"""Generating a periodic function without any input."""

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from longlag.task import Batch, RegressionTask, Split, Splits, StreamTask, check_integer, check_number


class PeriodicFunction(StreamTask):
    """Generate a periodic function of time without any input.

    The one input line is always 0; the target at step t = 1, 2, … is a function of t with period T and values from 0 to
    1. All sequences are the same. For the cosine and T=4::

        input     0    0    0    0    0    0
        target    0.5  1    0.5  0    0.5  1

    T is the period, F of the paper.

    The output unit is linear. An answer is right if the error is below 0.3 (0.15 in the paper's stricter runs). Solved:
    every answer of the validation stream right, which is longer than the training streams; a stream of the
    paper ends with its first error.

    Source: Gers, Schraudolph & Schmidhuber 2002 ("periodic function generation"): the cosine, the triangle
    and the rectangle with T of 10 and 25, by one cell with peepholes.

    Args:
        T: the period, at least 3.
        periods: the periods of a training stream.
        eval_periods: the periods of a validation or test stream.
        tolerance: the error from which on an answer is wrong.
        splits: the sizes of the splits; all streams are the same.

    Raises:
        ValueError: a setting is out of its bounds.

    """

    input_size = 1
    output_size = 1
    channels = ("line",)
    unit = RegressionTask.unit  # linear
    default_splits = Splits(batch_size=1, train_size=None, val_size=1, test_size=1)

    def __init__(
        self,
        T: int = 10,
        periods: int = 10,
        eval_periods: int = 100,
        tolerance: float = 0.3,
        splits: Splits | None = None,
    ) -> None:
        check_integer("T", T, 3, "a period that has a shape")
        check_integer("periods", periods, 1)
        check_integer("eval_periods", eval_periods, 1)
        check_number("tolerance", tolerance, 0, above=True)
        super().__init__(T, splits)
        self.periods = periods
        self.eval_periods = eval_periods
        self.tolerance = tolerance
        period = self._stream(1, 1).targets[0, :, 0].double()
        self.chance_loss = eval_periods * T * period.var(correction=0).item() / 2
        near = (period[:, None] - _candidates(period, tolerance)).abs() < tolerance
        self.chance_accuracy = near.double().mean(0).max().item()

    @abstractmethod
    def wave(self, phase: Tensor) -> Tensor:
        """Return the function at phases from 0 to 1, the elapsed fraction of the period."""

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Return ``n`` times the stream of the training length; the generator is not used."""
        return self._stream(n, self.periods)

    def sample_evaluation(self, n: int, generator: torch.Generator) -> Batch:
        """Return ``n`` times the stream for validation or test, which is longer."""
        return self._stream(n, self.eval_periods)

    def steps(self, split: Split) -> int:
        """Return the steps of the longest sequence, or fewer."""
        return self.T * (self.eval_periods if split in ("val", "test") else self.periods)

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether every answer of the validation stream is right."""
        return values["val/perfect"] == 1.0

    def _stream(self, n: int, periods: int) -> Batch:
        L = periods * self.T
        phase = torch.arange(1, L + 1) % self.T / self.T
        targets = self.wave(phase)[None, :, None].repeat(n, 1, 1)  # [n, L, 1]
        return Batch(torch.zeros(n, L, 1), targets, torch.full((n,), L), torch.ones(n, L, dtype=torch.bool))


class Cosine(PeriodicFunction):
    """½ (1 − cos(2π t/T))."""

    def wave(self, phase: Tensor) -> Tensor:
        """Return ½ (1 − cos(2π phase))."""
        return (1 - torch.cos(2 * torch.pi * phase)) / 2


class Triangle(PeriodicFunction):
    """Rises from 0 to 1 over the first half of the period and falls back over the second."""

    def wave(self, phase: Tensor) -> Tensor:
        """Return 1 − |1 − 2 phase|."""
        return 1 - (1 - 2 * phase).abs()


class Rectangle(PeriodicFunction):
    """1 in the second half of the period, 0 otherwise."""

    def wave(self, phase: Tensor) -> Tensor:
        """Return 1 where phase > ½."""
        return (phase > 0.5).float()


def _candidates(values: Tensor, tolerance: float) -> Tensor:
    """Return candidates for the constant that is near as many of the values as possible."""
    low, high = values.min().item(), values.max().item()
    return torch.linspace(low - tolerance, high + tolerance, 10_001, dtype=torch.float64)
