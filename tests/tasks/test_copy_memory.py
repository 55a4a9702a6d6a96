import math

import pytest
import torch
from longlag.tasks.copy_memory import CopyMemory

from longlag.task import stream


@pytest.mark.parametrize(
    ("T", "length", "symbols", "variable"),
    [(1, 1, 2, False), (1, 10, 8, True), (100, 10, 8, False), (20, 3, 4, True)],
)
def test_the_symbols_are_asked_for_again_in_order(T, length, symbols, variable):
    task = CopyMemory(T, length, symbols, variable)
    batch = task.sample(2000, stream(0, "train", 0))
    cues = task.cues(batch).tolist()
    blank, delimiter = symbols, symbols + 1
    gaps, counts = dict.fromkeys(range(1, T + 1) if variable else [T], 0), [0] * symbols
    for row in range(2000):
        L = batch.lengths[row].item()
        gap = L - 2 * length
        gaps[gap] += 1  # a KeyError for a gap that is too long or too short
        steps = batch.inputs[row].tolist()
        assert all(sorted(step) == [0.0] * (symbols + 1) + [1.0] for step in steps[:L])
        assert not any(any(step) for step in steps[L:])
        given = [step.index(1.0) for step in steps[:L]]
        shown = given[:length]
        assert all(symbol < symbols for symbol in shown)
        assert given[length:] == [blank] * (gap - 1) + [delimiter] + [blank] * length
        targets = batch.targets[row].tolist()
        assert targets[:L] == [blank] * (L - length) + shown
        for t in range(length):
            assert targets[t + gap + length] == given[t]  # T + length steps after it was shown
        assert batch.mask[row].tolist() == [t < L for t in range(len(steps))]
        assert cues[row] == [t < length for t in range(len(steps))]
        for symbol in shown:
            counts[symbol] += 1
    for seen, n in ((list(gaps.values()), 2000), (counts, 2000 * length)):
        assert all(abs(count - n / len(seen)) <= 5 * (n / len(seen)) ** 0.5 for count in seen)


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
    drawn = sum(10 * math.log(8) / length for length in batch.lengths.tolist()) / 4000
    assert task.loss(outputs, batch).item() == pytest.approx(drawn, rel=1e-5)
    gaps = range(1, 31) if variable else [30]
    assert task.memoryless_loss == pytest.approx(sum(10 * math.log(8) / (gap + 20) for gap in gaps) / len(gaps))
    assert drawn == pytest.approx(task.memoryless_loss, rel=0.02)  # the gaps of 4000 sequences


@pytest.mark.parametrize("T", [1, 7, 100])
def test_a_clock_alone_has_the_memoryless_loss_where_the_gap_is_fixed(T):
    """Outputs that do not look at the inputs at all; a clock that is late or early by one step does worse."""
    task = CopyMemory(T)
    batch = task.sample(500, stream(2, "train", 0))
    for late in (-1, 0, 1):
        outputs = torch.zeros(500, T + 20, 9)
        outputs[:, : T + 10 + late, :8] = -30.0
        outputs[:, T + 10 + late :, 8] = -30.0
        loss = task.loss(outputs, batch).item()
        if late:
            assert loss > task.memoryless_loss + 27 / (T + 20)
        else:
            assert loss == pytest.approx(10 * math.log(8) / (T + 20), rel=1e-5)


@pytest.mark.parametrize("variable", [False, True])
def test_the_loss_is_the_cross_entropy_of_all_steps_as_a_naive_loop_has_it(variable):
    task = CopyMemory(6, length=2, symbols=3, variable_gap=variable)
    batch = task.sample(30, stream(3, "train", 0))
    outputs = torch.randn(*batch.mask.shape, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    expected = 0.0
    for row, L in enumerate(batch.lengths.tolist()):
        shown = [step.index(1.0) for step in batch.inputs[row, :2].tolist()]
        for t, scores in enumerate(outputs[row, :L].tolist()):
            target = 3 if t < L - 2 else shown[t - (L - 2)]
            expected -= math.log(math.exp(scores[target]) / sum(map(math.exp, scores))) / L / 30
    assert task.loss(outputs, batch).item() == pytest.approx(expected, rel=1e-12)


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
    outputs[:, :9] = 0.0  # what is said before the last four steps does not count
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
        ({"T": True}, "T must be an integer of at least 1 .*, got True"),
        ({"T": 3.5}, "T must be an integer of at least 1 .*, got 3.5"),
        ({"T": "60"}, "T must be an integer of at least 1 .*, got '60'"),
        ({"length": 0}, "length must be an integer of at least 1"),
        ({"symbols": 1}, "symbols must be an integer of at least 2"),
        ({"variable_gap": "no"}, "variable_gap must be true or false, got 'no'"),
        ({"variable_gap": 1}, "variable_gap must be true or false, got 1"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        CopyMemory(**arguments)
