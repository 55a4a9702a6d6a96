import math

import pytest
import torch

from longlag.task import stream
from tasks.periodic_function import Cosine, Rectangle, Triangle

#: Each function again, of the step t and the period T.
FORMULAS = {
    Cosine: lambda t, T: (1 - math.cos(2 * math.pi * t / T)) / 2,
    Triangle: lambda t, T: 2 * (t % T) / T if t % T <= T / 2 else 2 - 2 * (t % T) / T,
    Rectangle: lambda t, T: 1.0 if t % T > T / 2 else 0.0,
}


@pytest.mark.parametrize("wave", list(FORMULAS))
@pytest.mark.parametrize("T", [3, 4, 10, 25])
def test_targets_are_the_function_at_the_steps_counted_from_1(wave, T):
    task = wave(T, periods=3)
    batch = task.sample(2, stream(0, "train", 0))
    expected = [FORMULAS[wave](t, T) for t in range(1, 3 * T + 1)]
    for row in range(2):
        assert batch.targets[row, :, 0].tolist() == pytest.approx(expected, abs=1e-6)
    assert not batch.inputs.any()
    assert batch.inputs.shape == (2, 3 * T, 1)
    assert batch.mask.all()


@pytest.mark.parametrize(
    ("wave", "period"), [(Cosine, [0.5, 1, 0.5, 0]), (Triangle, [0.5, 1, 0.5, 0]), (Rectangle, [0, 0, 1, 0])]
)
def test_by_hand(wave, period):
    targets = wave(4, periods=1).sample(1, stream(0, "train", 0)).targets
    assert targets.flatten().tolist() == pytest.approx(period, abs=1e-7)


def test_the_stream_for_validation_is_longer():
    task = Cosine(5, periods=2, eval_periods=9)
    assert [task.draw(split, 0, 1).inputs.shape[1] for split in ("train", "val", "test")] == [10, 45, 45]


def test_an_answer_is_right_below_the_tolerance():
    task = Cosine(8, periods=2, tolerance=0.15)
    batch = task.sample(1, stream(0, "train", 0))
    assert task.judge(batch.targets + 0.149, batch)["perfect"].tolist() == [1.0]
    outputs = batch.targets.clone()
    outputs[0, 11] -= 0.151
    judged = task.judge(outputs, batch)
    assert (judged["perfect"].item(), judged["error_free"].item()) == (0.0, 11.0)
    assert task.loss(batch.targets + 0.5, batch).item() == pytest.approx(16 * 0.25 / 2)


def test_solved_is_every_answer():
    assert Cosine(8).solved({"val/perfect": 1.0})
    assert not Cosine(8).solved({"val/perfect": 0.0, "val/acc": 0.999})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 2}, "T must be an integer of at least 3"),
        ({"periods": 0}, "periods must be an integer of at least 1"),
        ({"eval_periods": 0}, "eval_periods must be an integer of at least 1"),
        ({"tolerance": 0}, "tolerance must be a number above 0, got 0"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Rectangle(**arguments)


def test_nothing_is_random():
    drawn = [Triangle(5).draw(split, k, 1).targets[:, :50] for split in ("train", "val") for k in (0, 3)]
    assert all(torch.equal(one, drawn[0]) for one in drawn)
