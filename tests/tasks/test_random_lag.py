import math

import pytest
import torch
from longlag.tasks.random_lag import RandomLag

from longlag.task import stream


@pytest.mark.parametrize("T", [2, 6, 50])
def test_the_last_symbol_is_the_first_and_those_between_are_any_of_the_others(T):
    task = RandomLag(T)
    batch = task.sample(2000, stream(0, "train", 0))
    lines = [f"a{k}" for k in range(1, T)] + ["x", "y"]
    counts = dict.fromkeys(lines, 0)
    again = 0
    for row in range(2000):
        symbols = [lines[step.index(1.0)] for step in batch.inputs[row].tolist()]
        following = [lines[step.index(1.0)] for step in batch.targets[row].tolist()]
        assert symbols[1:] == following[:-1]
        assert symbols[0] in "xy"
        assert following[-1] == symbols[0]
        assert not {"x", "y"} & set(symbols[1:])
        for symbol in symbols:
            counts[symbol] += 1
        again += len(set(symbols[1:])) < T - 1
    assert set(batch.inputs.unique().tolist()) == set(batch.targets.unique().tolist()) == {0.0, 1.0}
    assert (batch.inputs.sum(-1) == 1).all()
    assert (batch.targets.sum(-1) == 1).all()
    assert batch.lengths.tolist() == [T] * 2000
    assert batch.mask.all()
    different = math.factorial(T - 1) / (T - 1) ** (T - 1)  # the chance that no symbol comes twice
    assert abs(again / 2000 - (1 - different)) <= 5 * (different * (1 - different) / 2000) ** 0.5
    expected = 2000  # T − 1 places, T − 1 symbols: each comes once a sequence on average
    for symbol in lines[:-2]:
        assert abs(counts[symbol] - expected) < 5 * expected**0.5 + 1
    assert abs(counts["x"] - 1000) < 5 * 500**0.5


def test_only_the_end_is_judged_but_the_loss_counts_everywhere():
    task = RandomLag(5)
    batch = task.sample(2, stream(0, "train", 0))
    outputs = torch.zeros(2, 5, 6)
    outputs[:, -1] = torch.where(batch.targets[:, -1] == 1, torch.tensor(0.751).logit(), torch.tensor(0.249).logit())
    judged = task.judge(outputs, batch)
    assert judged["acc"].tolist() == [1.0, 1.0]
    assert judged["error"].tolist() == pytest.approx([0.249, 0.249], abs=1e-5)
    outputs[1, -1, 0] = torch.tensor(0.251).logit()
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 0.0]
    assert task.loss(torch.zeros(2, 5, 6), batch).item() == pytest.approx(5 * 6 * 0.25 / 2)


def test_solved_is_every_validation_sequence():
    assert RandomLag(4).solved({"val/acc": 1.0})
    assert not RandomLag(4).solved({"val/acc": 0.9999})


def test_the_cue_is_the_first_symbol():
    task = RandomLag(4)
    assert task.cues(task.sample(1, stream(0, "train", 0))).tolist() == [[True, False, False, False]]


@pytest.mark.parametrize("T", [1, True, 2.5, "9"])
def test_a_lag_without_anything_between_is_refused(T):
    with pytest.raises(ValueError, match="T must be an integer of at least 2"):
        RandomLag(T)
