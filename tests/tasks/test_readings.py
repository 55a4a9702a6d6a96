"""What the text of 1997 leaves open is a setting with named values, and each of them draws or judges as it says."""

import pytest
import torch

from longlag.tasks import Adding, DistractorLag, EmbeddedReber, Multiplication, RandomLag, TemporalOrder, TwoSequence


def drawn(task, n=4000):
    return task.sample(n, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", [Adding, Multiplication])
def test_the_mark_of_the_very_first_pair_is_seen_or_not(kind):
    unseen, seen = drawn(kind(T=20)), drawn(kind(T=20, first_mark="seen"))
    marks = seen.inputs[:, 0, 1]
    assert set(unseen.inputs[:, 0, 1].tolist()) == {-1.0}
    assert set(marks.tolist()) == {-1.0, 1.0}
    assert ((seen.inputs[..., 1] == 1).sum(1) == 2).all()  # both marks are there
    assert torch.equal(seen.targets, unseen.targets)
    assert torch.equal(seen.inputs[marks == -1], unseen.inputs[marks == -1])


@pytest.mark.parametrize("kind", [Adding, Multiplication, TemporalOrder, TwoSequence])
def test_the_end_of_a_range_is_drawn_or_not(kind):
    assert drawn(kind(T=40)).lengths.max() == 44
    assert drawn(kind(T=40, range_end="excluded")).lengths.max() == 43
    assert set(drawn(kind(T=10, range_end="excluded")).lengths.tolist()) == {10}


def test_the_positions_of_a_temporal_order_have_ends_too():
    for end, last in (("included", 60), ("excluded", 59)):
        batch = drawn(TemporalOrder(T=100, range_end=end))
        assert max(step for _, step in TemporalOrder().cues(batch).nonzero().tolist()) == last


@pytest.mark.parametrize(("kind", "below"), [(Adding, 0.01), (TemporalOrder, 0.1)])
def test_the_error_of_the_criterion_is_absolute_or_squared(kind, below):
    values = {"recent/acc": 1.0, "recent/error": 2 * below, "recent/squared_error": below / 2}
    assert not kind().solved(values)
    assert kind(criterion_error="squared").solved(values)
    assert not kind(criterion_error="squared").solved({**values, "recent/acc": 0.9995})


@pytest.mark.parametrize("kind", [DistractorLag, RandomLag])
def test_ten_thousand_sequences_of_validation_or_of_training_are_judged(kind):
    of_training = kind(T=5, judged="training")
    assert (kind(T=5).recent, of_training.recent) == (0, 10_000)
    assert kind(T=5).solved({"val/acc": 1.0, "recent/acc": 0.9})
    assert not of_training.solved({"val/acc": 1.0, "recent/acc": 0.9999})
    assert not of_training.solved({"val/acc": 1.0})
    assert of_training.solved({"val/acc": 0.9, "recent/acc": 1.0})


def test_strings_of_the_training_set_may_be_distinct():
    for strings, fewest in (("drawn", 50), ("distinct", 256)):
        symbols = EmbeddedReber(strings=strings).training_set().inputs.argmax(-1)
        different = len(torch.unique(symbols, dim=0))
        assert fewest <= different <= (256 if strings == "distinct" else 200)


@pytest.mark.parametrize("setting", ["first_mark", "range_end", "criterion_error"])
def test_a_value_that_is_not_named_is_refused(setting):
    with pytest.raises(ValueError, match=f"{setting} must be .* or .*, got 'mine'"):
        Adding(**{setting: "mine"})
