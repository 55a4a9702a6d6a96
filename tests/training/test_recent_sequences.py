import pytest
import torch

from longlag.training.recent_sequences import RecentSequences


def test_the_latest_sequences_are_exactly_as_many_as_asked_for():
    recent = RecentSequences(5)
    recent.update({"acc": torch.tensor([0.0, 1.0, 1.0])})
    assert recent.compute() == {}  # fewer than five
    recent.update({"acc": torch.tensor([1.0, 1.0])})
    assert recent.compute() == {"acc": pytest.approx(0.8)}
    recent.update({"acc": torch.tensor([1.0])})  # the first one, which was wrong, is out
    assert recent.compute() == {"acc": 1.0}
