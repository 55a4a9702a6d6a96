import math

import pytest
import torch

from longlag.task import stream
from tasks.copy_memory import CopyMemory


@pytest.mark.parametrize(
    ("T", "length", "symbols", "variable"), [(1, 1, 2, False), (100, 10, 8, False), (20, 3, 4, True)]
)
def test_the_symbols_are_asked_for_again_in_order(T, length, symbols, variable):
    task = CopyMemory(T, length, symbols, variable)
    batch = task.sample(2000, stream(0, "train", 0))
    blank, delimiter = symbols, symbols + 1
    gaps = set()
    for row in range(2000):
        L = batch.lengths[row].item()
        gap = L - 2 * length
        gaps.add(gap)
        steps = batch.inputs[row].tolist()
        assert all(sum(step) == 1 for step in steps[:L])
        assert not any(any(step) for step in steps[L:])
        given = [step.index(1.0) for step in steps[:L]]
        shown = given[:length]
        assert all(symbol < symbols for symbol in shown)
        assert given[length:] == [blank] * (gap - 1) + [delimiter] + [blank] * length
        assert batch.targets[row, :L].tolist() == [blank] * (L - length) + shown
        assert batch.mask[row].tolist() == [t < L for t in range(batch.mask.shape[1])]
    assert gaps == (set(range(1, T + 1)) if variable else {T})


def test_the_published_size():
    task = CopyMemory(500)
    assert (task.input_size, task.output_size) == (10, 9)
    assert task.sample(1, stream(0, "train", 0)).inputs.shape == (1, 520, 10)
    assert task.memoryless_loss == pytest.approx(10 * math.log(8) / 520)
    assert CopyMemory(100).memoryless_loss == pytest.approx(0.1733, abs=5e-5)


@pytest.mark.parametrize("variable", [False, True])
def test_knowing_only_when_to_answer_has_the_memoryless_loss(variable):
    """Certain of the blank until the delimiter has come, then even among the eight symbols."""
    task = CopyMemory(30, variable_gap=variable)
    batch = task.sample(4000, stream(1, "train", 0))
    came = batch.inputs[..., 9].cumsum(1) > 0
    answering = torch.roll(came, 1, 1) & came  # from the step after the delimiter on
    outputs = torch.full((*batch.mask.shape, 9), -50.0)
    outputs[..., 8] = 50.0
    outputs[answering] = torch.tensor([0.0] * 8 + [-50.0])
    tolerance = 0.03 if variable else 1e-5  # the gaps of 4000 sequences, against their distribution
    assert task.loss(outputs, batch).item() == pytest.approx(task.memoryless_loss, rel=tolerance)


def test_only_what_is_repeated_is_judged():
    task = CopyMemory(5, length=4, symbols=3)
    batch = task.sample(2, stream(2, "train", 0))
    outputs = torch.nn.functional.one_hot(batch.targets, 4).float()
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 1.0]
    blind = torch.zeros_like(outputs)
    blind[..., 3] = 1.0  # always blank: right at all steps but those that are asked for
    assert task.judge(blind, batch)["acc"].tolist() == [0.0, 0.0]
    outputs[1, -1] = 1 - outputs[1, -1]
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 0.75]


def test_solved_is_99_percent():
    assert CopyMemory(5).solved({"val/acc": 0.99})
    assert not CopyMemory(5).solved({"val/acc": 0.9899})


def test_the_cues_are_the_symbols():
    task = CopyMemory(3, length=2)
    assert task.cues(task.sample(1, stream(0, "train", 0))).tolist() == [[True, True] + [False] * 5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 0}, "T must be an integer of at least 1"),
        ({"length": 0}, "length must be an integer of at least 1"),
        ({"symbols": 1}, "symbols must be an integer of at least 2"),
        ({"variable_gap": "no"}, "variable_gap must be true or false, got 'no'"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CopyMemory(**arguments)
