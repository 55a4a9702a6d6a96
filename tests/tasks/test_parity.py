import pytest
import torch

from longlag.task import stream
from tasks.parity import Parity


@pytest.mark.parametrize("T", [3, 40])
def test_labels_are_what_a_naive_loop_counts(T):
    batch = Parity(T).sample(3000, stream(0, "train", 0))
    lengths = set()
    for row in range(3000):
        length = batch.lengths[row].item()
        lengths.add(length)
        steps = batch.inputs[row].tolist()
        assert all(step in ([1.0, 0.0], [0.0, 1.0]) for step in steps[:length])
        assert all(step == [0.0, 0.0] for step in steps[length:])
        odd = False
        for step in steps[:length]:
            if step[1] == 1.0:
                odd = not odd
        assert batch.targets[row].item() == int(odd)
    assert lengths == set(range(3, T + 1))


def test_validation_and_test_are_longer_than_training():
    task = Parity(10, longest=30)
    for split, low, high in (("train", 3, 10), ("probe", 3, 10), ("val", 10, 30), ("test", 10, 30)):
        lengths = task.draw(split, 0, 3000).lengths
        assert set(lengths.tolist()) == set(range(low, high + 1)), split


@pytest.mark.parametrize(("T", "longest"), [(40, 256), (128, 256), (200, 400)])
def test_the_longest_sequence_is_the_published_one_or_twice_the_longest_trained_on(T, longest):
    assert Parity(T).longest == longest


def test_the_scaled_accuracy_is_0_at_chance():
    task = Parity(5)
    batch = task.sample(2, stream(1, "train", 0))
    outputs = torch.nn.functional.one_hot(batch.targets, 2).float()
    outputs[1] = 1 - outputs[1]
    judged = task.judge(outputs, batch)
    assert judged["acc"].tolist() == [1.0, 0.0]
    assert judged["scaled_acc"].tolist() == [1.0, -1.0]  # their mean, at an accuracy of one half, is 0


def test_the_cues_are_the_ones():
    task = Parity(8)
    batch = task.sample(4, stream(2, "train", 0))
    assert torch.equal(task.cues(batch), batch.inputs[..., 1] == 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 2}, "T must be an integer of at least 3"),
        ({"T": 40, "longest": 39}, "longest must be an integer of at least 40 \\(T, where training ends\\), got 39"),
        ({"T": 40, "longest": "all"}, "longest must be an integer of at least 40"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Parity(**arguments)
