import pytest
import torch
from longlag.tasks.multiplication import Multiplication

from longlag.task import stream


@pytest.mark.parametrize("T", [6, 10, 100])
def test_targets_are_what_a_naive_loop_multiplies(T):
    batch = Multiplication(T).sample(2000, stream(0, "train", 0))
    firsts, lengths, early = 0, set(), set()
    for row in range(2000):
        length = batch.lengths[row].item()
        steps = batch.inputs[row].tolist()
        assert all(0 <= value <= 1 for value, _ in steps)
        assert steps[0][1] == steps[length - 1][1] == -1.0
        assert not any(any(step) for step in steps[length:])
        assert {marker for _, marker in steps[1 : length - 1]} <= {0.0, 1.0}
        assert batch.mask[row].tolist() == [t == length - 1 for t in range(batch.mask.shape[1])]
        lengths.add(length)
        product, places = 1.0, [t for t in range(length) if steps[t][1] == 1.0]
        for t in places:
            product *= steps[t][0]
        firsts += len(places) == 1  # the very first pair counts as 1
        assert batch.targets[row].tolist() == pytest.approx([product], abs=1e-6)
        assert max(places) <= T // 2 - 1  # among the first T/2
        assert len(places) == 1 or min(places) < 10  # one of the first 10, if both can be seen
        early |= {min(places)} if len(places) == 2 and max(places) >= 10 else set()
    assert firsts > 0
    assert early == (set(range(1, 10)) if T == 100 else set())
    assert lengths == set(range(T, T + T // 10 + 1))


def test_the_variance_of_the_target_is_7_144ths():
    """E[X²]² − E[X]⁴ = 1/9 − 1/16, where the very first pair is not marked."""
    batch = Multiplication(100).sample(100_000, stream(3, "train", 0))
    targets = batch.targets[(batch.inputs[..., 1] == 1).sum(1) == 2]
    assert targets.mean().item() == pytest.approx(0.25, abs=5 * (7 / 144 / 87_000) ** 0.5)
    assert targets.var().item() == pytest.approx(7 / 144, rel=0.025)  # five standard errors: kurtosis 3.5


def test_the_mean_squared_error_is_recorded_beside_the_absolute_one():
    task = Multiplication(10)
    batch = task.sample(2, stream(0, "train", 0))._replace(targets=torch.tensor([[0.5], [0.3]]))
    outputs = torch.tensor([[0.539], [0.259]]).logit()
    judged = task.judge(outputs, batch)
    assert judged["acc"].tolist() == [1.0, 0.0]
    assert judged["error"].tolist() == pytest.approx([0.039, 0.041], abs=1e-6)
    assert judged["squared_error"].tolist() == pytest.approx([0.039**2, 0.041**2], abs=1e-6)
    assert task.loss(outputs, batch).item() == pytest.approx((0.039**2 + 0.041**2) / 4, rel=1e-4)


def test_the_cues_are_the_pairs_with_the_marker_1():
    task = Multiplication(30)
    batch = task.sample(200, stream(0, "train", 0))
    for row, cues in enumerate(task.cues(batch).tolist()):
        assert cues == [marker == 1.0 for _, marker in batch.inputs[row].tolist()]


@pytest.mark.parametrize(("max_wrong", "wrong"), [(140, 139), (140, 140), (13, 12), (13, 13)])
def test_solved_by_fewer_wrong_ones_of_2000(max_wrong, wrong):
    accuracy = torch.tensor([1.0] * (2000 - wrong) + [0.0] * wrong).mean().item()  # in float32, as it is measured
    task = Multiplication(10, max_wrong=max_wrong)
    assert task.solved({"recent/acc": accuracy}) is (wrong < max_wrong)
    assert task.solved({"val/acc": 1.0}) is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 5}, "T must be an integer of at least 6"),
        *[({"T": T}, "T must be an integer of at least 6") for T in (True, 10.0, "60")],
        ({"max_wrong": True}, "max_wrong must be an integer from 1 to 2000"),
        ({"max_wrong": 13.0}, "max_wrong must be an integer from 1 to 2000"),
        ({"max_wrong": 0}, "max_wrong must be an integer from 1 to 2000 \\(of 2000 sequences\\), got 0"),
        ({"max_wrong": 2001}, "max_wrong must be an integer from 1 to 2000"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Multiplication(**arguments)
