import math

import pytest
import torch

from longlag.audit.constant import best_constant
from longlag.task import Batch, ClassificationTask, LogisticTask


class Coin(ClassificationTask):
    """Three classes, with probabilities 0.6, 0.3 and 0.1."""

    input_size, output_size, chance_accuracy = 1, 3, 0.6

    def sample(self, n, generator):
        uniform = torch.rand(n, generator=generator)
        targets = (uniform > 0.6).long() + (uniform > 0.9).long()
        return Batch.answered_last(torch.zeros(n, self.T, 1), targets)


class Skewed(LogisticTask):
    """Values that are 0.1 three times in four, 0.9 otherwise."""

    input_size, output_size, chance_accuracy, tolerance = 1, 1, 0.75, 0.05

    def sample(self, n, generator):
        targets = torch.where(torch.rand(n, 1, generator=generator) < 0.75, 0.1, 0.9)
        return Batch.answered_last(torch.zeros(n, self.T, 1), targets)


def found(task, n=20_000):
    batches = [task.sample(n, torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    return best_constant(task, *batches)


def test_of_classes_it_is_the_likeliest_one_and_the_loss_is_the_entropy():
    constant = found(Coin(3))
    assert constant.accuracy == pytest.approx(0.6, abs=0.02)  # five standard errors
    entropy = -sum(p * math.log(p) for p in (0.6, 0.3, 0.1))
    assert constant.loss == pytest.approx(entropy, abs=0.02)


def test_of_values_the_best_for_the_loss_is_the_mean_and_for_the_accuracy_the_commonest():
    """The mean, 0.3, is near no value; so the two constants differ."""
    constant = found(Skewed(3))
    assert constant.accuracy == pytest.approx(0.75, abs=0.02)
    assert constant.loss == pytest.approx(0.75 * 0.25 * 0.8**2 / 2, abs=0.002)


def test_it_is_judged_on_sequences_on_which_it_was_not_found():
    """With a single sequence to find it on, it is right there and as good as chance elsewhere."""
    task = Coin(3)
    one = task.sample(1, torch.Generator().manual_seed(3))
    constant = best_constant(task, one, task.sample(20_000, torch.Generator().manual_seed(4)))
    assert constant.accuracy < 0.7
