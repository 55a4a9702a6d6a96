import math

import pytest
import torch
from longlag.tasks.periodic_function import Cosine, Rectangle, Triangle

from longlag.task import stream

#: Each function again, of the step t and the period T.
FORMULAS = {
    Cosine: lambda t, T: (1 - math.cos(2 * math.pi * t / T)) / 2,
    Triangle: lambda t, T: 2 * (t % T) / T if t % T <= T / 2 else 2 - 2 * (t % T) / T,
    Rectangle: lambda t, T: 1.0 if t % T > T / 2 else 0.0,
}
#: One period by hand, steps 1 to T: the cosine as ½ (1 − cos) of 72° and 144°, of 36°, 72°, 108° and 144°.
BY_HAND = {
    (Cosine, 4): [0.5, 1, 0.5, 0],
    (Triangle, 4): [0.5, 1, 0.5, 0],
    (Rectangle, 4): [0, 0, 1, 0],
    (Cosine, 5): [0.345492, 0.904508, 0.904508, 0.345492, 0],
    (Triangle, 5): [0.4, 0.8, 0.8, 0.4, 0],
    (Rectangle, 5): [0, 0, 1, 1, 0],
    (Cosine, 10): [0.095492, 0.345492, 0.654508, 0.904508, 1, 0.904508, 0.654508, 0.345492, 0.095492, 0],
    (Triangle, 10): [0.2, 0.4, 0.6, 0.8, 1, 0.8, 0.6, 0.4, 0.2, 0],
    (Rectangle, 10): [0, 0, 0, 0, 0, 1, 1, 1, 1, 0],
}


@pytest.mark.parametrize("wave", list(FORMULAS))
@pytest.mark.parametrize("T", [3, 4, 10, 25])
def test_targets_are_the_function_at_the_steps_counted_from_1(wave, T):
    task = wave(T, periods=3, eval_periods=40)
    for batch, periods in ((task.sample(2, stream(0, "train", 0)), 3), (task.draw("val", 0, 2), 40)):
        expected = [FORMULAS[wave](t, T) for t in range(1, periods * T + 1)]
        for row in range(2):
            assert batch.targets[row, :, 0].tolist() == pytest.approx(expected, abs=1e-6)
        assert batch.inputs.tolist() == [[[0.0]] * (periods * T)] * 2
        assert batch.lengths.tolist() == [periods * T] * 2
        assert batch.mask.tolist() == [[True] * (periods * T)] * 2
        assert not task.cues(batch).any()  # there is nothing to go by


@pytest.mark.parametrize(("wave", "T"), list(BY_HAND))
def test_by_hand(wave, T):
    targets = wave(T, periods=2).sample(1, stream(0, "train", 0)).targets
    assert targets.flatten().tolist() == pytest.approx(2 * BY_HAND[wave, T], abs=1e-6)


def test_the_stream_for_validation_is_longer():
    task = Cosine(5, periods=2, eval_periods=9)
    assert [task.draw(split, 0, 1).inputs.shape[1] for split in ("train", "val", "test")] == [10, 45, 45]
    assert [Cosine().draw(split, 0, 1).inputs.shape[1] for split in ("train", "val", "test")] == [100, 1000, 1000]


def test_an_answer_is_right_below_the_tolerance():
    task = Cosine(8, periods=2, tolerance=0.15)
    batch = task.sample(1, stream(0, "train", 0))
    assert task.judge(batch.targets + 0.1499, batch)["perfect"].tolist() == [1.0]
    outputs = batch.targets.clone()
    outputs[0, 11] -= 0.1501
    judged = task.judge(outputs, batch)
    assert (judged["perfect"].item(), judged["error_free"].item()) == (0.0, 11.0)
    assert judged["acc"].item() == pytest.approx(15 / 16)
    assert judged["error"].item() == pytest.approx(0.1501 / 16, rel=1e-5)
    assert task.loss(batch.targets + 0.5, batch).item() == pytest.approx(16 * 0.25 / 2)


@pytest.mark.parametrize("wave", list(FORMULAS))
def test_the_published_tolerance_is_three_tenths(wave):
    task = wave(10)
    batch = task.sample(1, stream(0, "train", 0))
    assert task.judge(batch.targets - 0.2999, batch)["perfect"].tolist() == [1.0]
    assert task.judge(batch.targets - 0.3001, batch)["acc"].tolist() == [0.0]


def test_the_loss_is_half_the_squared_error_of_linear_outputs():
    task = Triangle(10, periods=1)
    batch = task.sample(3, stream(0, "train", 0))
    outputs = 3 * torch.randn(3, 10, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    loss = 0.0
    for row in outputs.tolist():
        for (net,), value in zip(row, BY_HAND[Triangle, 10], strict=True):
            loss += (net - value) ** 2 / 2 / 3
    assert task.loss(outputs, batch).item() == pytest.approx(loss, rel=1e-6)  # the targets are float32


def test_solved_is_every_answer():
    assert Cosine(8).solved({"val/perfect": 1.0})
    assert not Cosine(8).solved({"val/perfect": 0.0, "val/acc": 0.999})


@pytest.mark.parametrize("wave", list(FORMULAS))
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 2}, "T must be an integer of at least 3"),
        ({"T": True}, "T must be an integer of at least 3 \\(a period that has a shape\\), got True"),
        ({"T": 3.5}, "T must be an integer of at least 3 .*, got 3.5"),
        ({"T": "60"}, "T must be an integer of at least 3 .*, got '60'"),
        ({"periods": 0}, "periods must be an integer of at least 1"),
        ({"eval_periods": 0}, "eval_periods must be an integer of at least 1"),
        ({"tolerance": 0}, "tolerance must be a number above 0, got 0"),
        ({"tolerance": float("inf")}, "tolerance must be a number above 0, got inf"),
        ({"tolerance": True}, "tolerance must be a number above 0, got True"),
        ({"tolerance": "0.3"}, "tolerance must be a number above 0, got '0.3'"),
    ],
)
def test_wrong_settings_are_refused(wave, arguments, message):
    with pytest.raises(ValueError, match=message):
        wave(**arguments)


def test_nothing_is_random():
    drawn = [Triangle(5).draw(split, k, 1).targets[:, :50] for split in ("train", "val") for k in (0, 3)]
    assert all(torch.equal(one, drawn[0]) for one in drawn)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    Triangle(5).sample(3, generator)
    Triangle(5).sample_evaluation(3, generator)
    assert torch.equal(generator.get_state(), before)
