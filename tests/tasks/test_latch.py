import pytest
import torch
from longlag.tasks.latch import Latch

from longlag.task import stream


@pytest.mark.parametrize("T", [2, 50])
def test_the_target_has_the_sign_of_the_first_element(T):
    batch = Latch(T).sample(2000, stream(0, "train", 0))
    for row in range(2000):
        first = batch.inputs[row, 0, 0].item()
        assert first in (-1.0, 1.0)
        assert batch.targets[row].tolist() == pytest.approx([0.8 * first])
    assert abs((batch.inputs[:, 0, 0] > 0).double().mean().item() - 0.5) < 5 * (0.25 / 2000) ** 0.5
    noise = batch.inputs[:, 1:]
    assert abs(noise.mean().item()) < 5 * (0.2 / noise.numel()) ** 0.5
    assert abs(noise.var().item() - 0.2) < 5 * 0.2 * (2 / noise.numel()) ** 0.5
    assert batch.lengths.tolist() == [T] * 2000
    assert batch.mask.tolist() == [[False] * (T - 1) + [True]] * 2000


def test_the_sign_of_the_output_decides_and_the_unit_is_a_tanh():
    task = Latch(4)
    batch = task.sample(3, stream(0, "train", 0))
    sign = batch.targets.sign()
    outputs = sign * torch.tensor([[0.01], [-0.01], [3.0]])
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 0.0, 1.0]
    error = [abs(float(torch.tanh(x)) - float(t)) for x, t in zip(outputs, batch.targets, strict=True)]
    assert task.judge(outputs, batch)["error"].tolist() == pytest.approx(error)
    assert task.loss(outputs, batch).item() == pytest.approx(sum(e * e for e in error) / 6)


def test_an_output_of_neither_sign_is_wrong():
    task = Latch(4)
    batch = task.sample(20, stream(0, "train", 0))
    assert task.judge(torch.zeros(20, 1), batch)["acc"].tolist() == [0.0] * 20


def test_solved_is_99_percent():
    assert Latch(10).solved({"val/acc": 0.99})
    assert not Latch(10).solved({"val/acc": 0.9899})


def test_the_cue_is_the_first_step():
    task = Latch(3)
    assert task.cues(task.sample(1, stream(0, "train", 0))).tolist() == [[True, False, False]]


@pytest.mark.parametrize("T", [1, 0, True, 3.5, "7"])
def test_a_sequence_without_a_gap_is_refused(T):
    with pytest.raises(ValueError, match="T must be an integer of at least 2"):
        Latch(T)
