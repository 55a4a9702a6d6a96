import pytest
import torch

from longlag.task import stream
from tasks.selective_copy import SelectiveCopy


@pytest.mark.parametrize(("T", "tokens", "vocabulary"), [(1, 1, 4), (16, 16, 16), (40, 5, 7)])
def test_what_came_at_random_places_is_asked_for_in_order(T, tokens, vocabulary):
    task = SelectiveCopy(T, tokens, vocabulary)
    assert (task.input_size, task.output_size) == (vocabulary, vocabulary - 2)
    blank, marker = vocabulary - 2, vocabulary - 1
    batch = task.sample(2000, stream(0, "train", 0))
    assert (batch.inputs.sum(-1) == 1).all()
    for row in range(2000):
        symbols = [step.index(1.0) for step in batch.inputs[row].tolist()]
        assert len(symbols) == T + tokens
        came = [symbol for symbol in symbols[:T] if symbol != blank]
        assert len(came) == tokens
        assert all(symbol < blank for symbol in came)
        assert symbols[T:] == [marker] * tokens
        assert batch.targets[row, T:].tolist() == came
        assert batch.mask[row].tolist() == [t >= T for t in range(T + tokens)]


def test_every_place_and_every_symbol_is_as_likely_as_any_other():
    n = 20_000
    batch = SelectiveCopy(10, tokens=3, vocabulary=6).sample(n, stream(1, "train", 0))
    places = (batch.inputs[:, :10, :4].sum(-1) > 0).sum(0)
    assert (abs(places - 0.3 * n) < 5 * (n * 0.3 * 0.7) ** 0.5).all()
    symbols = batch.targets[batch.mask].bincount(minlength=4)
    assert (abs(symbols - 3 * n / 4) < 5 * (3 * n * 3 / 16) ** 0.5).all()


def test_the_share_of_right_answers_is_judged_and_nothing_else():
    task = SelectiveCopy(6, tokens=4, vocabulary=5)
    batch = task.sample(2, stream(2, "train", 0))
    outputs = torch.zeros(2, 10, 3)
    outputs[:, 6:] = torch.nn.functional.one_hot(batch.targets[:, 6:], 3).float()
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 1.0]
    outputs[0, 7] = 1 - outputs[0, 7]
    assert task.judge(outputs, batch)["acc"].tolist() == [0.75, 1.0]
    assert task.loss(torch.zeros(2, 10, 3), batch).item() == pytest.approx(1.0986, abs=1e-4)  # ln 3


def test_the_cues_are_the_symbols():
    task = SelectiveCopy(6, tokens=2)
    batch = task.sample(5, stream(3, "train", 0))
    assert task.cues(batch).sum(1).tolist() == [2] * 5
    assert not task.cues(batch)[:, 6:].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 15}, "T must be an integer of at least 16 \\(a step for each of the 16 tokens\\), got 15"),
        ({"tokens": 0}, "tokens must be an integer of at least 1"),
        ({"vocabulary": 3}, "vocabulary must be an integer of at least 4"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        SelectiveCopy(**arguments)
