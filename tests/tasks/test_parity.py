import math

import pytest
import torch
from longlag.tasks.parity import Parity

from longlag.task import stream


def check_sequences(task, batch, low, high):
    """Compare every label, mask and length with what a naive loop counts; return how often each length came."""
    counts = dict.fromkeys(range(low, high + 1), 0)
    cues = task.cues(batch).tolist()
    for row, length in enumerate(batch.lengths.tolist()):
        counts[length] += 1  # a KeyError outside of [low, high]
        steps = batch.inputs[row].tolist()
        assert all(step in ([1.0, 0.0], [0.0, 1.0]) for step in steps[:length])
        assert all(step == [0.0, 0.0] for step in steps[length:])
        odd = False
        for step in steps[:length]:
            if step[1] == 1.0:
                odd = not odd
        assert batch.targets[row].item() == int(odd)
        assert batch.mask[row].tolist() == [t == length - 1 for t in range(len(steps))]
        assert cues[row] == [step[1] == 1.0 for step in steps]
    return counts


@pytest.mark.parametrize("T", [3, 4, 40])
def test_labels_are_what_a_naive_loop_counts(T):
    task = Parity(T)
    counts = check_sequences(task, task.sample(3000, stream(0, "train", 0)), 3, T)
    expected = 3000 / len(counts)
    assert all(abs(count - expected) <= 5 * expected**0.5 for count in counts.values())  # both ends too


def test_validation_and_test_are_longer_than_training():
    task = Parity(10, longest=30)
    for split, low, high in (("train", 3, 10), ("probe", 3, 10), ("val", 10, 30), ("test", 10, 30)):
        counts = check_sequences(task, task.draw(split, 0, 3000), low, high)
        expected = 3000 / len(counts)
        assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values()), split


def test_validation_may_be_of_one_length():
    task = Parity(3, longest=3)
    assert check_sequences(task, task.draw("val", 0, 100), 3, 3) == {3: 100}


def test_every_string_is_as_likely_as_any_other():
    batch = Parity(3, longest=3).sample(4000, stream(4, "train", 0))
    strings = [tuple(step[1] for step in steps) for steps in batch.inputs.tolist()]
    assert len(set(strings)) == 8
    assert all(abs(strings.count(string) - 500) < 5 * 500**0.5 for string in set(strings))


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


def test_the_loss_is_the_cross_entropy_as_a_naive_loop_has_it():
    task = Parity(6)
    batch = task.sample(50, stream(5, "train", 0))
    outputs = torch.randn(50, 2, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    expected = 0.0
    for steps, scores in zip(batch.inputs.tolist(), outputs.tolist(), strict=True):
        odd = int(sum(step[1] for step in steps)) % 2
        expected -= math.log(math.exp(scores[odd]) / sum(map(math.exp, scores))) / 50
    assert task.loss(outputs, batch).item() == pytest.approx(expected, rel=1e-12)


def test_solved_is_99_percent():
    assert Parity().solved({"val/acc": 0.99, "val/scaled_acc": 0.98})
    assert not Parity().solved({"val/acc": 0.9899, "val/scaled_acc": 0.9798})


def test_the_cues_are_the_ones():
    task = Parity(8)
    batch = task.sample(4, stream(2, "train", 0))
    assert torch.equal(task.cues(batch), batch.inputs[..., 1] == 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 2}, "T must be an integer of at least 3"),
        ({"T": True}, "T must be an integer of at least 3 \\(the shortest sequence\\), got True"),
        ({"T": 3.5}, "T must be an integer of at least 3 .*, got 3.5"),
        ({"T": "60"}, "T must be an integer of at least 3 .*, got '60'"),
        ({"T": 40, "longest": 39}, "longest must be an integer of at least 40 \\(T, where training ends\\), got 39"),
        ({"T": 40, "longest": "all"}, "longest must be an integer of at least 40"),
        ({"T": 40, "longest": 256.0}, "longest must be an integer of at least 40 .*, got 256.0"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Parity(**arguments)
