import math
from itertools import combinations

import pytest
import torch
from longlag.tasks.selective_copy import SelectiveCopy

from longlag.task import stream


@pytest.mark.parametrize(("T", "tokens", "vocabulary"), [(1, 1, 4), (16, 16, 16), (40, 5, 7)])
def test_what_came_at_random_places_is_asked_for_in_order(T, tokens, vocabulary):
    task = SelectiveCopy(T, tokens, vocabulary)
    assert (task.input_size, task.output_size) == (vocabulary, vocabulary - 2)
    blank, marker = vocabulary - 2, vocabulary - 1
    batch = task.sample(2000, stream(0, "train", 0))
    cues = task.cues(batch).tolist()
    assert batch.lengths.tolist() == [T + tokens] * 2000
    for row in range(2000):
        steps = batch.inputs[row].tolist()
        assert all(sorted(step) == [0.0] * (vocabulary - 1) + [1.0] for step in steps)
        symbols = [step.index(1.0) for step in steps]
        assert len(symbols) == T + tokens
        came = [symbol for symbol in symbols[:T] if symbol != blank]
        assert len(came) == tokens
        assert all(symbol < blank for symbol in came)
        assert symbols[T:] == [marker] * tokens
        assert batch.targets[row, T:].tolist() == came
        assert batch.mask[row].tolist() == [t >= T for t in range(T + tokens)]
        assert cues[row] == [symbol < blank for symbol in symbols]


def test_every_place_and_every_symbol_is_as_likely_as_any_other():
    n = 20_000
    batch = SelectiveCopy(10, tokens=3, vocabulary=6).sample(n, stream(1, "train", 0))
    places = (batch.inputs[:, :10, :4].sum(-1) > 0).sum(0)
    assert (abs(places - 0.3 * n) < 5 * (n * 0.3 * 0.7) ** 0.5).all()
    symbols = batch.targets[batch.mask].bincount(minlength=4)
    assert (abs(symbols - 3 * n / 4) < 5 * (3 * n * 3 / 16) ** 0.5).all()


def test_every_choice_of_places_and_every_string_is_as_likely_as_any_other():
    """Two of four places and two symbols of two: 6 · 4 sequences."""
    n = 12_000
    batch = SelectiveCopy(4, tokens=2, vocabulary=4).sample(n, stream(4, "train", 0))
    counts = {}
    for steps in batch.inputs.tolist():
        symbols = tuple(step.index(1.0) for step in steps[:4])
        counts[symbols] = counts.get(symbols, 0) + 1
    assert len(counts) == len(list(combinations(range(4), 2))) * 4
    assert all(abs(count - n / 24) < 5 * (n / 24) ** 0.5 for count in counts.values())


def test_the_share_of_right_answers_is_judged_and_nothing_else():
    task = SelectiveCopy(6, tokens=4, vocabulary=5)
    batch = task.sample(2, stream(2, "train", 0))
    outputs = torch.zeros(2, 10, 3)
    outputs[:, 6:] = torch.nn.functional.one_hot(batch.targets[:, 6:], 3).float()
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 1.0]
    outputs[0, 7] = 1 - outputs[0, 7]
    assert task.judge(outputs, batch)["acc"].tolist() == [0.75, 1.0]
    assert task.loss(torch.zeros(2, 10, 3), batch).item() == pytest.approx(1.0986, abs=1e-4)  # ln 3


def test_the_loss_is_the_cross_entropy_at_the_markers_as_a_naive_loop_has_it():
    task = SelectiveCopy(6, tokens=3, vocabulary=6)
    batch = task.sample(30, stream(5, "train", 0))
    outputs = torch.randn(30, 9, 4, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    expected = 0.0
    for steps, scores in zip(batch.inputs.tolist(), outputs.tolist(), strict=True):
        came = [step.index(1.0) for step in steps if 1.0 in step[:4]]
        for wanted, at_marker in zip(came, scores[6:], strict=True):
            expected -= math.log(math.exp(at_marker[wanted]) / sum(map(math.exp, at_marker))) / 3 / 30
    assert task.loss(outputs, batch).item() == pytest.approx(expected, rel=1e-12)


def test_solved_is_99_percent():
    assert SelectiveCopy().solved({"val/acc": 0.99})
    assert not SelectiveCopy().solved({"val/acc": 0.9899})


def test_the_cues_are_the_symbols():
    task = SelectiveCopy(6, tokens=2)
    batch = task.sample(5, stream(3, "train", 0))
    assert task.cues(batch).sum(1).tolist() == [2] * 5
    assert not task.cues(batch)[:, 6:].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 15}, "T must be an integer of at least 16 \\(a step for each of the 16 tokens\\), got 15"),
        ({"T": True, "tokens": 1}, "T must be an integer of at least 1 .*, got True"),
        ({"T": 100.0}, "T must be an integer of at least 16 .*, got 100.0"),
        ({"T": "60"}, "T must be an integer of at least 16 .*, got '60'"),
        ({"tokens": 0}, "tokens must be an integer of at least 1"),
        ({"tokens": 3.5}, "tokens must be an integer of at least 1, got 3.5"),
        ({"vocabulary": 3}, "vocabulary must be an integer of at least 4"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SelectiveCopy(**arguments)
