"""The two-sequence problem: noise and signal on one line."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from longlag.task import (
    RANGE_ENDS,
    Batch,
    LogisticTask,
    Splits,
    check_choice,
    check_integer,
    check_number,
    highest,
    integers,
    is_number,
)


class TwoSequence(LogisticTask):
    """Classify a sequence by its first elements, which noise on the same line follows.

    The first ``signal`` elements are +1 for class 1 and −1 for class 2, each class with probability ½; all later ones
    are Gaussian with mean 0 and variance 0.2. The target at the end is 1 for class 1 and 0 for class 2. With T=5 and
    signal=2::

        +1  +1  0.3  −0.6  0.1      target: 1.0

    T is the length of the shortest sequence; lengths are uniform in [T, T + T/10]. The readout comes at least T −
    signal steps after the information.

    Three variants, Experiments 3a, 3b and 3c of the paper, each with a YAML:

    - ``two_sequence`` (3a): as above; an output is wrong from an error of 0.2 on.
    - ``two_sequence_noisy_signal`` (3b): Gaussian noise of variance 0.2 on the informative elements too.
    - ``two_sequence_noisy_target`` (3c): targets 0.2 and 0.8, with Gaussian noise of variance 0.1 on the targets of
      training; an output is right if its distance from their mean is below 0.1.

    Solved, with 256 validation sequences (criterion ST2 of the paper, in 3c its only one): at most ``max_wrong`` of
    them wrong, and a mean absolute error below ``max_error``: 0 and 0.01 in 3a, 5 and 0.04 in 3b, 0 and 0.015 in 3c.
    A constant output is right for one of the classes.

    Source: Hochreiter & Schmidhuber 1997, section 5.3. Published (LSTM with 102 weights, T=100, signal=3, means of 10
    trials): 39,850, 43,250 and 269,650 sequences. The paper notes that guessing weights at random is faster in 3a, 3b.

    Args:
        T: the length of the shortest sequence, above ``signal``.
        signal: N of the paper, the number of informative elements.
        signal_variance: the variance of the noise on these elements.
        target_variance: the variance of the noise on the targets of training.
        class_targets: the target of class 1 and of class 2.
        tolerance: the error from which on an output is wrong.
        max_wrong: a run with more wrong validation sequences is not solved.
        max_error: the mean absolute error below which a run counts as solved.
        range_end: whether the length T + T/10 is ``included`` or ``excluded``.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: a setting is out of its bounds.

    """

    input_size = 1
    output_size = 1
    channels = ("line",)
    chance_accuracy = 0.5
    default_splits = Splits(train_size=None, test_size=2560)

    def __init__(
        self,
        T: int = 100,
        signal: int = 3,
        signal_variance: float = 0.0,
        target_variance: float = 0.0,
        class_targets: Sequence[float] = (1.0, 0.0),
        tolerance: float = 0.2,
        max_wrong: int = 0,
        max_error: float = 0.01,
        range_end: str = "included",
        splits: Splits | None = None,
    ) -> None:
        check_integer("signal", signal, 1)
        check_integer("T", T, signal + 1, f"signal={signal} elements and a gap")
        check_number("signal_variance", signal_variance, 0)
        check_number("target_variance", target_variance, 0)
        check_number("tolerance", tolerance, 0, above=True)
        check_number("max_error", max_error, 0, above=True)
        check_integer("max_wrong", max_wrong, 0)
        check_choice("range_end", range_end, RANGE_ENDS)
        if not _two_numbers(class_targets):
            raise ValueError(f"class_targets must be two different numbers, got {class_targets!r}")
        super().__init__(T, splits)
        self.signal = signal
        self.signal_variance = signal_variance
        self.target_variance = target_variance
        self.class_targets = tuple(class_targets)
        self.tolerance = tolerance
        self.max_wrong = max_wrong
        self.max_error = max_error
        self.range_end = range_end
        spread = (class_targets[0] - class_targets[1]) ** 2 / 4
        self.chance_loss = (spread + target_variance) / 2

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences; targets are [n, 2]: the noisy target of training, and its mean."""
        lengths = integers(self.T, highest(self.T, self.T + self.T // 10, self.range_end), n, generator)
        first = torch.rand(n, generator=generator) < 0.5
        inputs = 0.2**0.5 * torch.randn(n, int(lengths.max()), 1, generator=generator)
        noise = self.signal_variance**0.5 * torch.randn(n, self.signal, 1, generator=generator)
        inputs[:, : self.signal] = (2.0 * first - 1.0)[:, None, None] + noise
        inputs[torch.arange(inputs.shape[1]) >= lengths[:, None]] = 0.0
        one, other = self.class_targets
        mean = torch.where(first, one, other)
        noisy = mean + self.target_variance**0.5 * torch.randn(n, generator=generator)
        return Batch.answered_last(inputs, torch.stack([noisy, mean], dim=1), lengths)

    def loss_targets(self, batch: Batch) -> Tensor:
        """Return the noisy targets, [B, 1]."""
        return batch.targets[:, :1]

    def wanted(self, batch: Batch) -> Tensor:
        """Return the targets without noise."""
        return batch.targets[:, 1:]

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether few enough validation sequences are wrong, and the mean error is small enough."""
        wrong = round((1 - values["val/acc"]) * self.splits.val_size)
        return wrong <= self.max_wrong and values["val/error"] < self.max_error

    def cues(self, batch: Batch) -> Tensor:
        """Return the informative steps."""
        return (torch.arange(batch.mask.shape[1]) < self.signal).expand_as(batch.mask)


def _two_numbers(values: object) -> bool:
    """Return whether these are two different numbers."""
    if not isinstance(values, Sequence) or len(values) != 2:
        return False
    return all(map(is_number, values)) and values[0] != values[1]
