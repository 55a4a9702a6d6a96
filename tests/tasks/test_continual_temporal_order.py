from itertools import product

import pytest

from longlag.task import stream
from tasks.continual_temporal_order import ContinualTemporalOrder

ORDERS = ["".join(order) for order in product("XY", repeat=3)]


@pytest.mark.parametrize(("T", "sequences"), [(10, 1), (20, 7), (100, 3)])
def test_each_sequence_of_a_stream_is_answered_at_its_end(T, sequences):
    task = ContinualTemporalOrder(T, sequences)
    batch = task.sample(300, stream(0, "train", 0))
    for row in range(300):
        length = batch.lengths[row].item()
        steps = batch.inputs[row].tolist()
        assert not any(any(step) for step in steps[length:])
        text = "".join("EBabcdXY"[step.index(1.0)] for step in steps[:length])
        parts = [part + "B" for part in text.split("B")[:-1]]
        assert len(parts) == sequences
        answers = {}
        end = -1
        for part in parts:
            assert part[0] == "E"
            assert T <= len(part) <= T + T // 10
            end += len(part)
            answers[end] = "".join(symbol for symbol in part if symbol in "XY")
        assert batch.mask[row].nonzero().flatten().tolist() == list(answers)
        for step, order in answers.items():
            assert batch.targets[row, step].tolist() == [float(name == order) for name in ORDERS]


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


def test_streams_for_validation_and_test_are_as_long_as_the_published_ones():
    task = ContinualTemporalOrder(10, sequences=2)
    assert [task.draw(split, 0, 1).mask.sum().item() for split in ("train", "val", "test")] == [2, 100, 100]


def test_solved_is_every_answer_of_every_stream():
    assert ContinualTemporalOrder(10).solved({"val/perfect": 1.0})
    assert not ContinualTemporalOrder(10).solved({"val/perfect": 0.9, "val/acc": 0.999})


def test_the_cues_are_the_relevant_symbols():
    task = ContinualTemporalOrder(10, sequences=4)
    batch = task.sample(3, stream(2, "train", 0))
    assert task.cues(batch).sum(1).tolist() == [12, 12, 12]
    assert (batch.inputs[task.cues(batch)][:, 6:].sum(1) == 1).all()


@pytest.mark.parametrize("name", ["sequences", "eval_sequences"])
def test_a_stream_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1, got 0"):
        ContinualTemporalOrder(**{name: 0})
