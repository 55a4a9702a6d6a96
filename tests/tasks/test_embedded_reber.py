import random
from collections import Counter

import pytest
import torch
from longlag.tasks.embedded_reber import EmbeddedReber
from reber import legal_next, naive_string

from longlag.task import Splits, stream


def strings(task, batch):
    """Return the strings of a batch: the inputs, and the last target."""
    found = []
    for row, length in enumerate(batch.lengths.tolist()):
        symbols = batch.inputs[row, :length].argmax(-1).tolist()
        symbols.append(batch.targets[row, length - 1, 0].item())
        found.append("".join(task.alphabet[k] for k in symbols))
    return found


@pytest.fixture(scope="module")
def many():
    task = EmbeddedReber(9)
    return task, task.sample(20_000, stream(0, "train", 0))


def test_every_string_is_one_of_the_grammar_and_the_targets_are_the_next_symbols(many):
    task, batch = many
    batch = batch.select(slice(3000))
    for row, string in enumerate(strings(task, batch)):
        legal = legal_next(string)
        length = len(string) - 1
        assert batch.lengths[row] == length
        steps = [[float(name == symbol) for name in "BTPSXVE"] for symbol in string[:-1]]
        assert batch.inputs[row].tolist() == steps + [[0.0] * 7] * (batch.inputs.shape[1] - length)
        assert batch.mask[row].tolist() == [t < length for t in range(batch.mask.shape[1])]
        assert [task.alphabet[k] for k in batch.targets[row, :length, 0].tolist()] == list(string[1:])
        wanted = task.wanted(batch.select(slice(row, row + 1)))[0]
        for t in range(length):
            assert {task.alphabet[k] for k in wanted[t].nonzero().flatten().tolist()} == legal[t]


def test_lengths_are_distributed_as_the_grammar_has_them(many):
    """Least 9, mean 12, P(9) = 1/4, P(10) = 3/16, P(11) = 1/8; four strings of 9, six of 10, eight of 11."""
    task, batch = many
    n = len(batch.lengths)
    lengths = batch.lengths + 1
    assert lengths.min() == 9
    assert abs(lengths.double().mean().item() - 12) < 5 * lengths.double().std().item() / n**0.5
    for length, probability in ((9, 0.25), (10, 0.1875), (11, 0.125)):
        share = (lengths == length).double().mean().item()
        assert abs(share - probability) < 5 * (probability * (1 - probability) / n) ** 0.5
    second = (batch.inputs[:, 1, 1] == 1).double().mean().item()  # T rather than P
    assert abs(second - 0.5) < 5 * (0.25 / n) ** 0.5
    different = Counter(len(string) for string in set(strings(task, batch)))
    assert [different[length] for length in (9, 10, 11)] == [4, 6, 8]


def test_longer_strings_are_those_of_the_same_grammar_given_their_length():
    """Against rejection sampling by the naive sampler: lengths, and which symbol comes tenth."""
    task, n = EmbeddedReber(20), 20_000
    batch = task.sample(n, stream(1, "train", 0))
    drawn = strings(task, batch)
    assert min(len(string) for string in drawn) == 20
    rng = random.Random(0)
    reference = []
    while len(reference) < 4000:
        string = naive_string(rng)
        if len(string) >= 20:
            reference.append(string)
    for event in (
        *(lambda s, k=k: len(s) == k for k in (20, 21, 22, 25)),
        *(lambda s, x=x: s[9] == x for x in "TPSXV"),
        lambda s: s[1] == "T",
    ):
        ours, theirs = (sum(map(event, these)) / len(these) for these in (drawn, reference))
        assert abs(ours - theirs) < 5 * (0.25 / 4000 + 0.25 / n) ** 0.5


def outputs_for(task, batch):
    """Return outputs with every legal symbol at 1 and all others at 0."""
    return task.wanted(batch).clone()


def test_a_string_is_right_if_legal_symbols_are_the_most_active_everywhere():
    task = EmbeddedReber(9)
    batch = task.sample(50, stream(2, "train", 0))
    outputs = outputs_for(task, batch)
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0] * 50
    fork = next(t for t in range(9) if task.wanted(batch)[0, t].sum() == 2 and t > 0)
    one = outputs.clone()
    one[0, fork, task.wanted(batch)[0, fork].argmax()] = 0.0  # as low as an illegal one: not more active
    judged = task.judge(one, batch)
    assert judged["acc"].tolist() == [0.0] + [1.0] * 49
    length = batch.lengths[0].item()
    assert judged["symbol_acc"][0].item() == pytest.approx((length - 1) / length)


@pytest.mark.parametrize("T", [9, 14])
def test_every_illegal_symbol_above_a_legal_one_is_wrong_at_its_step_alone(T):
    """Legal by the automaton of the tests: legal ones at 2 and 1, all others at 0, then one of them at 1.5."""
    task = EmbeddedReber(T)
    batch = task.sample(8, stream(5, "train", 0))
    outputs = torch.zeros(*batch.mask.shape, 7)
    for row, string in enumerate(strings(task, batch)):
        for t, legal in enumerate(legal_next(string)):
            for level, name in zip((1.0, 2.0), sorted(legal), strict=False):
                outputs[row, t, "BTPSXVE".index(name)] = level
    assert task.judge(outputs, batch)["acc"].tolist() == task.judge(outputs, batch)["symbol_acc"].tolist() == [1.0] * 8
    for row, string in enumerate(strings(task, batch)):
        one = batch.select(slice(row, row + 1))
        for t, legal in enumerate(legal_next(string)):
            for name in set("BTPSXVE") - legal:
                raised = outputs[row : row + 1].clone()
                raised[0, t, "BTPSXVE".index(name)] = 1.5
                judged = task.judge(raised, one)
                assert judged["acc"].tolist() == [0.0]
                assert judged["symbol_acc"].item() == pytest.approx(1 - 1 / (len(string) - 1))


def test_the_chance_loss_is_that_of_the_shares_of_all_symbols():
    """By strings of the naive sampler: ½ Σ over steps and symbols of (share − target)²."""
    rng, n = random.Random(1), 20_000
    drawn = [naive_string(rng)[1:] for _ in range(n)]
    seen = Counter("".join(drawn))
    share = {name: seen[name] / seen.total() for name in "BTPSXVE"}
    each = {name: sum((share[other] - (other == name)) ** 2 for other in share) / 2 for name in share}
    losses = [sum(each[name] for name in string) for string in drawn]
    mean = sum(losses) / n
    deviation = (sum((loss - mean) ** 2 for loss in losses) / n) ** 0.5
    assert abs(EmbeddedReber(9).chance_loss - mean) < 5 * deviation / n**0.5


def test_the_loss_is_half_the_squared_error_against_the_next_symbol():
    task = EmbeddedReber(9)
    batch = task.sample(3, stream(3, "train", 0))
    outputs = torch.randn(*batch.mask.shape, 7, generator=torch.Generator().manual_seed(0))
    total = 0.0
    for row, string in enumerate(strings(task, batch)):
        for t, symbol in enumerate(string[1:]):
            for k, name in enumerate("BTPSXVE"):
                total += (torch.sigmoid(outputs[row, t, k]).item() - (name == symbol)) ** 2 / 2
    assert task.loss(outputs, batch).item() == pytest.approx(total / 3, rel=1e-5)


@pytest.mark.parametrize("split", ["val", "test"])
def test_no_string_of_the_other_splits_is_in_the_training_set(split):
    task = EmbeddedReber(9, splits=Splits(seed=4))
    known = set(strings(task, task.training_set()))
    held_out = strings(task, task.draw(split, 0, 256))
    assert len(held_out) == 256
    assert not known & set(held_out)
    assert len(known) < 256  # short strings come several times


def test_solved_is_every_string_of_both_sets():
    task = EmbeddedReber(9)
    assert task.solved({"val/acc": 1.0, "train/acc": 1.0})
    assert not task.solved({"val/acc": 1.0, "train/acc": 0.996})
    assert not task.solved({"val/acc": 0.996, "train/acc": 1.0})
    assert task.solved({"val/acc": 1.0})  # an endless stream has no set to judge


def test_the_cue_is_the_second_symbol():
    task = EmbeddedReber(9)
    batch = task.sample(2, stream(0, "train", 0))
    assert task.cues(batch).nonzero().tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize("T", [8, 0, True, 9.0, "9"])
def test_a_string_shorter_than_any_is_refused(T):
    with pytest.raises(ValueError, match="T must be an integer of at least 9"):
        EmbeddedReber(T)
