import pytest
import torch
from longlag.tasks.two_sequence import TwoSequence

from longlag import build_task, compose
from longlag.task import stream

VARIANTS = ("two_sequence", "two_sequence_noisy_signal", "two_sequence_noisy_target")


def variant(name):
    return build_task(compose(f"task={name}"))


@pytest.mark.parametrize(("T", "signal"), [(2, 1), (100, 3), (30, 10)])
def test_labels_are_read_off_the_first_elements(T, signal):
    batch = TwoSequence(T, signal).sample(2000, stream(0, "train", 0))
    lengths = set()
    for row in range(2000):
        length = batch.lengths[row].item()
        lengths.add(length)
        line = [step[0] for step in batch.inputs[row].tolist()]
        assert line[:signal] in ([1.0] * signal, [-1.0] * signal)
        target = 1.0 if line[0] == 1.0 else 0.0
        assert batch.targets[row].tolist() == [target, target]
        assert batch.mask[row].tolist() == [t == length - 1 for t in range(batch.mask.shape[1])]
        assert not any(line[length:])
        assert all(line[signal:length])  # noise is never exactly 0
    assert lengths == set(range(T, T + T // 10 + 1))


def test_every_length_is_as_likely():
    lengths = TwoSequence(100).sample(11_000, stream(1, "train", 0)).lengths.tolist()
    for length in range(100, 111):
        assert abs(lengths.count(length) - 1000) < 5 * (1000 * 10 / 11) ** 0.5


def test_the_noise_has_a_variance_of_a_fifth_not_a_deviation():
    batch = TwoSequence(100).sample(2000, stream(1, "train", 0))
    noise = batch.inputs[:, 3:100]
    n = noise.numel()
    assert abs(noise.mean().item()) < 5 * (0.2 / n) ** 0.5
    assert abs(noise.var().item() - 0.2) < 5 * 0.2 * (2 / n) ** 0.5
    assert abs((batch.targets[:, 0] == 1).double().mean().item() - 0.5) < 5 * (0.25 / 2000) ** 0.5


def test_in_3b_the_signal_is_noisy_too_and_the_label_is_that_of_the_class():
    task = variant("two_sequence_noisy_signal")
    batch = task.sample(4000, stream(2, "train", 0))
    sign = 2 * batch.targets[:, 0] - 1
    noise = batch.inputs[:, :3, 0] - sign[:, None]
    assert abs(noise.mean().item()) < 5 * (0.2 / noise.numel()) ** 0.5
    assert abs(noise.var().item() - 0.2) < 5 * 0.2 * (2 / noise.numel()) ** 0.5
    together = (noise[:, 0] * noise[:, 1]).mean().item()  # each element has noise of its own
    assert abs(together) < 5 * 0.2 / 4000**0.5
    assert set(batch.targets.unique().tolist()) == {0.0, 1.0}


def test_in_3c_targets_are_noisy_in_training_and_judged_without_noise():
    task = variant("two_sequence_noisy_target")
    batch = task.sample(4000, stream(3, "train", 0))
    wanted = torch.where(batch.inputs[:, :1, 0] > 0, 0.2, 0.8)
    assert torch.equal(task.wanted(batch), wanted)
    noise = batch.targets[:, :1] - wanted
    assert abs(noise.mean().item()) < 5 * (0.1 / 4000) ** 0.5
    assert abs(noise.var().item() - 0.1) < 5 * 0.1 * (2 / 4000) ** 0.5
    outputs = wanted.logit()
    judged = task.judge(outputs, batch)
    assert judged["acc"].mean() == 1.0
    assert judged["error"].max() < 1e-5
    assert task.loss(outputs, batch).item() == pytest.approx(noise.square().mean().item() / 2, rel=1e-4)
    off = (wanted + 0.101).logit()
    assert task.judge(off, batch)["acc"].mean() == 0.0
    assert task.judge((wanted + 0.099).logit(), batch)["acc"].mean() == 1.0


def test_in_3a_an_error_of_a_fifth_is_wrong():
    task = variant("two_sequence")
    batch = task.sample(4, stream(0, "train", 0))
    for error, right in ((0.199, 1.0), (0.201, 0.0)):
        outputs = (batch.targets[:, :1] - error * (2 * batch.targets[:, :1] - 1)).logit()
        judged = task.judge(outputs, batch)
        assert judged["acc"].tolist() == [right] * 4
        assert judged["error"].tolist() == pytest.approx([error] * 4, abs=1e-6)
        assert task.loss(outputs, batch).item() == pytest.approx(error**2 / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "wrong", "error", "solved"),
    [
        ("two_sequence", 0, 0.0099, True),
        ("two_sequence", 0, 0.0100, False),
        ("two_sequence", 1, 0.0099, False),
        ("two_sequence_noisy_signal", 5, 0.0399, True),
        ("two_sequence_noisy_signal", 6, 0.0399, False),
        ("two_sequence_noisy_signal", 5, 0.0400, False),
        ("two_sequence_noisy_target", 0, 0.0149, True),
        ("two_sequence_noisy_target", 0, 0.0150, False),
        ("two_sequence_noisy_target", 1, 0.0149, False),
    ],
)
def test_solved_by_so_many_wrong_ones_of_256_and_a_mean_error(name, wrong, error, solved):
    accuracy = torch.tensor([1.0] * (256 - wrong) + [0.0] * wrong).mean().item()  # in float32, as it is measured
    assert variant(name).solved({"val/acc": accuracy, "val/error": error}) is solved


def test_the_cues_are_the_informative_elements():
    task = TwoSequence(5, signal=2)
    assert task.cues(task.sample(1, stream(0, "train", 0))).tolist() == [[True, True, False, False, False]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 3}, "T must be an integer of at least 4 \\(signal=3 elements and a gap\\), got 3"),
        *[({"T": T}, "T must be an integer of at least 4 ") for T in (True, 3.5, "60")],
        *[({"signal": N}, "signal must be an integer of at least 1") for N in (True, 1.5, "3")],
        ({"signal": 0}, "signal must be an integer of at least 1, got 0"),
        ({"signal_variance": -0.1}, "signal_variance must be a number of at least 0, got -0.1"),
        ({"target_variance": "a"}, "target_variance must be a number of at least 0, got 'a'"),
        ({"tolerance": 0}, "tolerance must be a number above 0, got 0"),
        ({"max_error": 0}, "max_error must be a number above 0, got 0"),
        ({"max_wrong": -1}, "max_wrong must be an integer of at least 0, got -1"),
        ({"class_targets": (1.0,)}, "class_targets must be two different numbers"),
        ({"class_targets": (1.0, 1.0)}, "class_targets must be two different numbers"),
        ({"class_targets": 1.0}, "class_targets must be two different numbers"),
        ({"class_targets": ("a", "b")}, "class_targets must be two different numbers"),
        ({"class_targets": (True, False)}, "class_targets must be two different numbers"),
        ({"class_targets": (float("nan"), 1.0)}, "class_targets must be two different numbers"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TwoSequence(**arguments)
