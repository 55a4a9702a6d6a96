import math

import pytest
import torch
from longlag.tasks.temporal_order import TemporalOrder

from longlag.task import stream

#: The published order of the classes.
CLASSES = {
    2: ["XX", "XY", "YX", "YY"],
    3: ["XXX", "XXY", "XYX", "XYY", "YXX", "YXY", "YYX", "YYY"],
}


def about(count, n, probability):
    """Say whether an event came about as often in n draws as its probability says: within five standard errors."""
    return abs(count - n * probability) < 5 * (n * probability * (1 - probability)) ** 0.5


@pytest.mark.parametrize(
    ("T", "symbols", "windows"),
    [
        (100, 2, [(10, 20), (50, 60)]),
        (100, 3, [(10, 20), (33, 43), (66, 76)]),
        (50, 3, [(5, 10), (16, 21), (33, 38)]),
        (37, 2, [(3, 7), (18, 22)]),
        (37, 3, [(3, 7), (12, 15), (24, 28)]),
        (10, 2, [(1, 2), (5, 6)]),
        (10, 3, [(1, 2), (3, 4), (6, 7)]),
    ],
)
def test_positions_are_in_their_windows_and_classes_are_read_off(T, symbols, windows):
    task = TemporalOrder(T, symbols)
    assert list(task.answers) == CLASSES[symbols]
    batch = task.sample(4000, stream(0, "train", 0))
    cues = task.cues(batch).tolist()
    reached = [dict.fromkeys(range(low, high + 1), 0) for low, high in windows]
    counts, lengths = dict.fromkeys(CLASSES[symbols], 0), dict.fromkeys(range(T, T + T // 10 + 1), 0)
    for row in range(4000):
        length = batch.lengths[row].item()
        lengths[length] += 1  # a KeyError outside of [T, T + T/10]
        steps = batch.inputs[row].tolist()
        assert all(sorted(step) == [0.0] * 7 + [1.0] for step in steps[:length])
        assert not any(any(step) for step in steps[length:])
        text = "".join("EBabcdXY"[step.index(1.0)] for step in steps[:length])
        assert text[0] == "E"
        assert text[-1] == "B"
        places = [t for t, symbol in enumerate(text) if symbol in "XY"]
        assert len(places) == symbols
        assert set(text[1:-1]) <= set("abcdXY")
        for place, seen in zip(places, reached, strict=True):
            seen[place] += 1  # a KeyError outside of the window
        order = "".join(text[place] for place in places)
        counts[order] += 1
        assert batch.targets[row].tolist() == [float(name == order) for name in CLASSES[symbols]]
        assert batch.mask[row].tolist() == [t == length - 1 for t in range(len(steps))]
        assert cues[row] == [t in places for t in range(len(steps))]
    for seen in (*reached, counts, lengths):  # each end of each window too
        assert all(about(count, 4000, 1 / len(seen)) for count in seen.values())


def test_what_comes_between_is_random():
    batch = TemporalOrder(20).sample(3000, stream(1, "train", 0))
    counts = batch.inputs.sum((0, 1)).tolist()[2:6]
    assert all(about(count, sum(counts), 1 / 4) for count in counts)


def test_positions_and_orders_have_nothing_to_do_with_each_other():
    batch = TemporalOrder(10).sample(8000, stream(2, "train", 0))
    counts = {}
    for steps, target in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
        first, second = (t for t, step in enumerate(steps) if 1.0 in step[6:])
        key = (first, second, target.index(1.0))
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 2 * 2 * 4
    assert all(about(count, 8000, 1 / 16) for count in counts.values())


@pytest.mark.parametrize("symbols", [2, 3])
def test_loss_and_judgement_are_what_a_naive_loop_makes_of_logistic_outputs(symbols):
    task = TemporalOrder(20, symbols)
    batch = task.sample(200, stream(3, "train", 0))
    noise = torch.randn(batch.targets.shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    outputs = 2.4 * batch.targets - 1.2 + noise / 4
    loss, acc, error = 0.0, [], []
    for nets, targets in zip(outputs.tolist(), batch.targets.tolist(), strict=True):
        errors = [abs(1 / (1 + math.exp(-net)) - target) for net, target in zip(nets, targets, strict=True)]
        loss += sum(e**2 for e in errors) / 2 / 200
        acc.append(float(max(errors) < 0.3))
        error.append(sum(errors) / len(errors))
    assert 20 < sum(acc) < 180  # both kinds are there
    assert task.loss(outputs, batch).item() == pytest.approx(loss, rel=1e-12)
    judged = task.judge(outputs, batch)
    assert judged["acc"].tolist() == acc
    assert judged["error"].tolist() == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize("wrong", range(4))
def test_an_error_of_three_tenths_in_any_output_is_wrong(wrong):
    task = TemporalOrder(10)
    batch = task.sample(20, stream(0, "train", 0))
    for error, acc in ((0.2999, 1.0), (0.3001, 0.0)):
        units = (batch.targets.double() - 1e-9).abs()  # as good as right
        units[:, wrong] = (batch.targets[:, wrong].double() - error).abs()
        assert task.judge(units.logit(), batch)["acc"].tolist() == [acc] * 20


def test_solved_is_2000_right_ones_and_a_small_mean_error():
    task = TemporalOrder(10)
    assert task.recent == 2000
    assert task.solved({"recent/acc": 1.0, "recent/error": 0.099})
    assert not task.solved({"recent/acc": 1.0, "recent/error": 0.1})
    assert not task.solved({"recent/acc": 1999 / 2000, "recent/error": 0.01})
    assert not task.solved({"val/acc": 1.0})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 9}, "T must be an integer of at least 10 \\(windows that do not overlap\\), got 9"),
        ({"symbols": 1}, "symbols must be an integer from 2 to 3, got 1"),
        ({"symbols": 4}, "symbols must be an integer from 2 to 3, got 4"),
        ({"symbols": 2.0}, "symbols must be an integer from 2 to 3, got 2.0"),
        ({"T": True}, "T must be an integer of at least 10"),
        ({"T": 60.5}, "T must be an integer of at least 10"),
        ({"T": "60"}, "T must be an integer of at least 10 .*, got '60'"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TemporalOrder(**arguments)
