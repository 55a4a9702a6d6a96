import math
from itertools import product

import pytest
import torch
from longlag.tasks.continual_temporal_order import ContinualTemporalOrder

from longlag.task import stream

ORDERS = ["".join(order) for order in product("XY", repeat=3)]
#: The published windows for T=100; for the others in hundredths of T, rounded down.
WINDOWS = {
    100: [(10, 20), (33, 43), (66, 76)],
    20: [(2, 4), (6, 8), (13, 15)],
    10: [(1, 2), (3, 4), (6, 7)],
}


def sequences_of(steps):
    """Return the sequences of a stream as strings, split where B ends one."""
    text = "".join("EBabcdXY"[step.index(1.0)] for step in steps)
    assert text[-1] == "B"
    return [part + "B" for part in text[:-1].split("B")]


def check_streams(batch, T, sequences):
    """Compare every answer, mask and length with what a naive loop reads off the symbols; return all orders."""
    orders = []
    for row, length in enumerate(batch.lengths.tolist()):
        steps = batch.inputs[row].tolist()
        assert all(sorted(step) == [0.0] * 7 + [1.0] for step in steps[:length])
        assert not any(any(step) for step in steps[length:])
        answers, end = {}, -1
        parts = sequences_of(steps[:length])
        assert len(parts) == sequences
        for part in parts:
            assert part[0] == "E"
            assert set(part[1:-1]) <= set("abcdXY")
            assert T <= len(part) <= T + T // 10
            places = [t for t, symbol in enumerate(part) if symbol in "XY"]
            for place, (low, high) in zip(places, WINDOWS[T], strict=True):
                assert low <= place <= high
            end += len(part)
            answers[end] = "".join(part[place] for place in places)
        assert end == length - 1
        assert batch.mask[row].tolist() == [t in answers for t in range(len(steps))]
        for step, target in enumerate(batch.targets[row].tolist()):
            assert target == [float(name == answers.get(step)) for name in ORDERS]
        orders.append(list(answers.values()))
    return orders


@pytest.mark.parametrize(("T", "sequences"), [(10, 1), (20, 7), (100, 3)])
def test_each_sequence_of_a_stream_is_answered_at_its_end(T, sequences):
    task = ContinualTemporalOrder(T, sequences)
    assert list(task.answers) == ORDERS
    batch = task.sample(300, stream(0, "train", 0))
    check_streams(batch, T, sequences)
    assert task.cues(batch).tolist() == [[1.0 in step[6:] for step in steps] for steps in batch.inputs.tolist()]


def test_streams_for_validation_and_test_are_as_long_as_the_published_ones():
    task = ContinualTemporalOrder(10, sequences=2)
    assert [task.draw(split, 0, 1).mask.sum().item() for split in ("train", "val", "test")] == [2, 100, 100]
    check_streams(task.draw("val", 0, 20), 10, 100)


def test_orders_are_equally_likely_whatever_came_before():
    task = ContinualTemporalOrder(10, sequences=3)
    orders = check_streams(task.sample(3000, stream(5, "train", 0)), 10, 3)
    pairs = [tuple(order[k : k + 2]) for order in orders for k in (0, 1)]
    for pair in product(ORDERS, repeat=2):
        assert abs(pairs.count(pair) - 6000 / 64) < 5 * (6000 / 64) ** 0.5


def test_the_loss_is_half_the_squared_error_at_the_ends_of_the_sequences():
    task = ContinualTemporalOrder(10, sequences=4)
    batch = task.sample(20, stream(6, "train", 0))
    outputs = torch.randn(batch.targets.shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    loss = 0.0
    for row, length in enumerate(batch.lengths.tolist()):
        end = -1
        for part in sequences_of(batch.inputs[row, :length].tolist()):
            end += len(part)
            order = "".join(symbol for symbol in part if symbol in "XY")
            for name, net in zip(ORDERS, outputs[row, end].tolist(), strict=True):
                loss += (1 / (1 + math.exp(-net)) - (name == order)) ** 2 / 2 / 20
    assert task.loss(outputs, batch).item() == pytest.approx(loss, rel=1e-12)


def test_the_first_wrong_answer_ends_the_error_free_part():
    task = ContinualTemporalOrder(10, sequences=6)
    batch = task.sample(2, stream(1, "train", 0))
    outputs = 20 * batch.targets - 10
    judged = task.judge(outputs, batch)
    assert judged["perfect"].tolist() == judged["acc"].tolist() == [1.0, 1.0]
    assert judged["error_free"].tolist() == [6.0, 6.0]
    fourth = batch.mask[1].nonzero().flatten()[3]
    outputs[1, fourth] = 0.0
    judged = task.judge(outputs, batch)
    assert judged["perfect"].tolist() == [1.0, 0.0]
    assert judged["acc"].tolist() == pytest.approx([1.0, 5 / 6])
    assert judged["error_free"].tolist() == [6.0, 3.0]
    assert judged["error"][1].item() == pytest.approx(0.5 / 6, rel=1e-3)


@pytest.mark.parametrize(("error", "perfect"), [(0.2999, 1.0), (0.3001, 0.0)])
def test_an_error_of_three_tenths_in_any_output_is_wrong(error, perfect):
    task = ContinualTemporalOrder(10, sequences=3)
    batch = task.sample(8, stream(4, "train", 0))
    units = (batch.targets.double() - 1e-9).abs()
    for row in range(8):  # in each stream another output, at the end of the second sequence
        step = batch.mask[row].nonzero().flatten()[1]
        units[row, step, row] = abs(batch.targets[row, step, row].double() - error)
    assert task.judge(units.logit(), batch)["perfect"].tolist() == [perfect] * 8


def test_solved_is_every_answer_of_every_stream():
    assert ContinualTemporalOrder(10).solved({"val/perfect": 1.0})
    assert not ContinualTemporalOrder(10).solved({"val/perfect": 0.9, "val/acc": 0.999})


def test_the_cues_are_the_relevant_symbols():
    task = ContinualTemporalOrder(10, sequences=4)
    batch = task.sample(3, stream(2, "train", 0))
    assert task.cues(batch).sum(1).tolist() == [12, 12, 12]
    assert (batch.inputs[task.cues(batch)][:, 6:].sum(1) == 1).all()


@pytest.mark.parametrize("name", ["sequences", "eval_sequences"])
@pytest.mark.parametrize("value", [0, True, 3.5, "60"])
def test_a_stream_of_nothing_is_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, got {value!r}"):
        ContinualTemporalOrder(**{name: value})


@pytest.mark.parametrize("T", [9, True, 10.0, "60"])
def test_a_sequence_too_short_for_its_windows_is_refused(T):
    with pytest.raises(ValueError, match=f"T must be an integer of at least 10 \\(windows .*, got {T!r}"):
        ContinualTemporalOrder(T)
