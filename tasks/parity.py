"""Parity: count modulo two, over any length."""

import torch
from torch import Tensor

from longlag.task import Batch, ClassificationTask, Metric, Split, Splits, check_integer, integers, one_hot

SHORTEST = 3


class Parity(ClassificationTask):
    """Tell whether the number of ones is even or odd.

    The bits are random and one-hot; the answer is read after the last one::

        0  1  1  0  1      target: odd

    T is the length of the longest training sequence; training lengths are uniform in [3, T], those of validation and
    test in [T, longest]. A cell that has learned the rule, and not the lengths, is right on both. Every bit counts, so
    the readout comes up to ``longest`` − 1 steps after the first relevant bit.

    ``scaled_acc`` is (accuracy − chance)/(1 − chance), which the papers print. Solved: validation accuracy of
    at least 0.99. Every constant output is right half of the time.

    Source: the protocol of Beck et al. 2024 (xLSTM) and Grazzi et al. 2024, with T=40 and longest=256; the task, with
    lengths up to 50 and more, Bengio, Simard & Frasconi 1994. Published scaled accuracies: sLSTM 1.0, mLSTM 0.04 to
    0.09, Transformer 0.02 (Grazzi et al., Table 3). According to the paper of 1997, random weight guessing solves
    parity over 500 steps.

    Args:
        T: the longest training sequence, at least 3.
        longest: the longest validation or test sequence, at least T; 256 by default, or 2T if that is more.
        splits: the sizes of the splits, and the seed of their sequences.

    Raises:
        ValueError: a setting is not an integer within its bounds.

    """

    metrics = (Metric("scaled_acc", "accuracy from 0 at chance to 1", better="higher", shown="page"),)
    input_size = 2
    output_size = 2
    chance_accuracy = 0.5
    chance_loss = 0.6931471805599453  # ln 2
    alphabet = ("0", "1")
    answers = ("even", "odd")
    default_splits = Splits(train_size=None)

    def __init__(self, T: int = 40, longest: int | None = None, splits: Splits | None = None) -> None:
        check_integer("T", T, SHORTEST, "the shortest sequence")
        longest = max(256, 2 * T) if longest is None else longest
        check_integer("longest", longest, T, "T, where training ends")
        super().__init__(T, splits)
        self.longest = longest

    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` training sequences."""
        return self._between(SHORTEST, self.T, n, generator)

    def sample_evaluation(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences for validation or test; they are longer."""
        return self._between(self.T, self.longest, n, generator)

    def steps(self, split: Split) -> int:
        """Return the steps of a sequence in the mean: the longest one has more."""
        return (self.T + self.longest if split in ("val", "test") else SHORTEST + self.T) // 2

    def judge(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``acc`` and ``scaled_acc``."""
        acc = super().judge(outputs, batch)["acc"]
        return {"acc": acc, "scaled_acc": (acc - self.chance_accuracy) / (1 - self.chance_accuracy)}

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps of the ones."""
        return batch.inputs[..., 1] == 1

    def _between(self, low: int, high: int, n: int, generator: torch.Generator) -> Batch:
        lengths = integers(low, high, n, generator)
        bits = torch.randint(2, (n, int(lengths.max())), generator=generator)
        inputs = one_hot(bits, self.input_size, lengths)
        return Batch.answered_last(inputs, inputs[..., 1].sum(1).long() % 2, lengths)
