import pytest
import torch
from longlag.tasks.noise_free_lag import NoiseFreeLag

from longlag.task import stream


@pytest.mark.parametrize("T", [2, 3, 100])
def test_the_two_sequences_are_the_published_ones(T):
    """(y, a1, …, a(T−1), y) and (x, a1, …, a(T−1), x): the target of each step is the next symbol, one-hot."""
    task = NoiseFreeLag(T)
    assert task.input_size == task.output_size == T + 1
    batch = task.sample(2000, stream(0, "train", 0))
    lines = [f"a{k}" for k in range(1, T)] + ["x", "y"]
    seen = {"x": 0, "y": 0}
    for row in range(2000):
        inputs = batch.inputs[row].tolist()
        targets = batch.targets[row].tolist()
        first = lines[inputs[0].index(1.0)]
        seen[first] += 1
        symbols = [first, *lines[: T - 1], first]
        for t in range(T):
            assert inputs[t] == [float(name == symbols[t]) for name in lines]
            assert targets[t] == [float(name == symbols[t + 1]) for name in lines]
    assert abs(seen["x"] - 1000) < 5 * 500**0.5
    assert batch.lengths.tolist() == [T] * 2000
    assert batch.mask.all()


def test_every_output_at_every_step_has_to_be_within_a_quarter():
    task = NoiseFreeLag(5)
    batch = task.sample(3, stream(0, "train", 0))
    right = torch.where(batch.targets == 1, torch.tensor(0.751).logit(), torch.tensor(0.249).logit())
    assert task.judge(right, batch)["acc"].tolist() == [1.0] * 3
    wrong = right.clone()
    wrong[1, 0, 3] = torch.tensor(0.251).logit()
    assert task.judge(wrong, batch)["acc"].tolist() == [1.0, 0.0, 1.0]
    assert task.judge(wrong, batch)["error"].tolist() == pytest.approx([0.249, 0.249 + 0.002 / 30, 0.249], abs=1e-6)


def test_the_loss_sums_over_steps_and_outputs():
    task = NoiseFreeLag(4)
    batch = task.sample(2, stream(0, "train", 0))
    assert task.loss(torch.zeros(2, 4, 5), batch).item() == pytest.approx(4 * 5 * 0.25 / 2)


def test_solved_is_every_validation_sequence():
    assert NoiseFreeLag(4).solved({"val/acc": 1.0})
    assert not NoiseFreeLag(4).solved({"val/acc": 0.9961})


def test_the_cue_is_the_first_symbol():
    task = NoiseFreeLag(4)
    assert task.cues(task.sample(1, stream(0, "train", 0))).tolist() == [[True, False, False, False]]


@pytest.mark.parametrize("T", [1, -3, True, 2.0, "9"])
def test_a_lag_without_anything_between_is_refused(T):
    with pytest.raises(ValueError, match="T must be an integer of at least 2"):
        NoiseFreeLag(T)
