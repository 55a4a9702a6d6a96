import math

import pytest
import torch

from longlag.task import Means


def test_means_are_over_sequences_not_over_batches():
    means = Means()
    means.update({"acc": torch.tensor([1.0, 1.0, 1.0]), "error": torch.tensor([0.0, 0.0, 0.3])})
    means.update({"acc": torch.tensor([0.0]), "error": torch.tensor([0.5])})
    assert means.compute() == {"acc": 0.75, "error": pytest.approx(0.2)}
    means.reset()
    means.update({"acc": torch.tensor([0.0]), "error": torch.tensor([1.0])})
    assert means.compute() == {"acc": 0.0, "error": 1.0}


def test_a_rank_without_sequences_changes_nothing():
    means = Means()
    means.update({"acc": torch.tensor([])})
    means.update({"acc": torch.tensor([1.0])})
    assert means.compute() == {"acc": 1.0}


def test_a_figure_that_is_not_a_number_is_not_hidden():
    means = Means()
    means.update({"error": torch.tensor([1.0, float("nan")])})
    assert math.isnan(means.compute()["error"])
