import pytest
import torch

from longlag.task import stream
from tasks.temporal_order import TemporalOrder

#: The published order of the classes.
CLASSES = {
    2: ["XX", "XY", "YX", "YY"],
    3: ["XXX", "XXY", "XYX", "XYY", "YXX", "YXY", "YYX", "YYY"],
}


@pytest.mark.parametrize(
    ("T", "symbols", "windows"),
    [
        (100, 2, [(10, 20), (50, 60)]),
        (100, 3, [(10, 20), (33, 43), (66, 76)]),
        (50, 3, [(5, 10), (16, 21), (33, 38)]),
        (10, 3, [(1, 2), (3, 4), (6, 7)]),
    ],
)
def test_positions_are_in_their_windows_and_classes_are_read_off(T, symbols, windows):
    task = TemporalOrder(T, symbols)
    assert list(task.answers) == CLASSES[symbols]
    batch = task.sample(4000, stream(0, "train", 0))
    reached = [set() for _ in windows]
    counts, lengths = dict.fromkeys(CLASSES[symbols], 0), set()
    for row in range(4000):
        length = batch.lengths[row].item()
        lengths.add(length)
        steps = batch.inputs[row].tolist()
        assert all(sum(step) == 1 for step in steps[:length])
        assert not any(any(step) for step in steps[length:])
        text = "".join("EBabcdXY"[step.index(1.0)] for step in steps[:length])
        assert text[0] == "E"
        assert text[-1] == "B"
        places = [t for t, symbol in enumerate(text) if symbol in "XY"]
        assert len(places) == symbols
        assert set(text[1:-1]) <= set("abcdXY")
        for place, (low, high), seen in zip(places, windows, reached, strict=True):
            assert low <= place <= high
            seen.add(place)
        order = "".join(text[place] for place in places)
        counts[order] += 1
        assert batch.targets[row].tolist() == [float(name == order) for name in CLASSES[symbols]]
        assert batch.mask[row].nonzero().flatten().tolist() == [length - 1]
    assert [(min(seen), max(seen)) for seen in reached] == windows
    assert lengths == set(range(T, T + T // 10 + 1))
    expected = 4000 / len(counts)
    assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())


def test_an_error_of_three_tenths_in_any_output_is_wrong():
    task = TemporalOrder(10)
    batch = task.sample(2, stream(0, "train", 0))
    outputs = torch.where(batch.targets == 1, torch.tensor(0.701).logit(), torch.tensor(0.299).logit())
    judged = task.judge(outputs, batch)
    assert judged["acc"].tolist() == [1.0, 1.0]
    assert judged["error"].tolist() == pytest.approx([0.299] * 2, abs=1e-5)
    outputs[1, 2] = torch.tensor(0.5).logit()
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 0.0]
    assert task.loss(torch.zeros(2, 4), batch).item() == pytest.approx(0.5)  # ½ · 4 · ¼


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
        ({"T": True}, "T must be an integer of at least 10"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TemporalOrder(**arguments)
