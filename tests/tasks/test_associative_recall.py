import math
from itertools import combinations

import pytest
import torch

from longlag.task import stream
from tasks.associative_recall import AssociativeRecall


def about(count, n, probability):
    """Say whether an event came about as often in n draws as its probability says: within five standard errors."""
    return abs(count - n * probability) < 5 * (n * probability * (1 - probability)) ** 0.5


@pytest.mark.parametrize(("T", "pairs", "vocabulary"), [(3, 1, 5), (64, 4, 64), (24, 8, 17)])
def test_each_key_comes_again_once_and_its_value_is_asked_for(T, pairs, vocabulary):
    task = AssociativeRecall(T, pairs, vocabulary)
    keys = (vocabulary - 1) // 2
    names = [f"k{k}" for k in range(1, keys + 1)] + [f"v{k}" for k in range(1, keys + 1)] + ["·"]
    assert list(task.alphabet) == names
    batch = task.sample(2000, stream(0, "train", 0))
    assert batch.inputs.shape == (2000, T, len(names))
    assert batch.lengths.tolist() == [T] * 2000
    assert task.cues(batch).tolist() == [[t < 2 * pairs for t in range(T)]] * 2000
    orders = set()
    for row in range(2000):
        steps = batch.inputs[row].tolist()
        assert all(sorted(step) == [0.0] * (len(names) - 1) + [1.0] for step in steps)
        symbols = [names[step.index(1.0)] for step in steps]
        meaning = dict(zip(symbols[0 : 2 * pairs : 2], symbols[1 : 2 * pairs : 2], strict=True))
        assert len(meaning) == pairs
        assert all(key[0] == "k" and value[0] == "v" for key, value in meaning.items())
        again = {t: symbol for t, symbol in enumerate(symbols) if t >= 2 * pairs and symbol != "·"}
        assert sorted(again.values()) == sorted(meaning)
        assert batch.mask[row].tolist() == [t in again for t in range(T)]
        for t, key in again.items():
            assert f"v{batch.targets[row, t].item() + 1}" == meaning[key]
        orders.add(tuple(list(meaning).index(key) for key in again.values()))
    if pairs == 1:
        assert orders == {(0,)}
    elif pairs == 4:
        assert len(orders) == 24  # every order in which four keys can come again


@pytest.mark.parametrize("power", [1.0, 0.5, 0.01])
def test_places_follow_the_power_law(power):
    """One key, ten free places: place j with a probability of j^(power − 1) over their sum."""
    n = 20_000
    batch = AssociativeRecall(12, pairs=1, vocabulary=5, power=power).sample(n, stream(1, "train", 0))
    counts = batch.mask[:, 2:].sum(0).tolist()
    weights = [j ** (power - 1) for j in range(1, 11)]
    if power == 1:
        assert weights == [1] * 10
    for count, weight in zip(counts, weights, strict=True):
        assert about(count, n, weight / sum(weights))


@pytest.mark.parametrize("power", [1.0, 0.01])
def test_two_places_are_drawn_one_after_the_other_and_belong_to_either_key(power):
    """Place a, then b from what is left, or b, then a; the key that was shown first comes again first half the time."""
    n = 20_000
    batch = AssociativeRecall(9, pairs=2, vocabulary=5, power=power).sample(n, stream(3, "train", 0))
    counts, in_order = {}, {}
    for steps in batch.inputs.tolist():
        symbols = [step.index(1.0) for step in steps]
        a, b = (j for j in range(1, 6) if symbols[3 + j] != 4)
        counts[a, b] = counts.get((a, b), 0) + 1
        in_order[a, b] = in_order.get((a, b), 0) + (symbols[3 + a] == symbols[0])
    weights = {j: j ** (power - 1) for j in range(1, 6)}
    total = sum(weights.values())
    for a, b in combinations(weights, 2):
        both = weights[a] * weights[b] / total
        assert about(counts[a, b], n, both / (total - weights[a]) + both / (total - weights[b]))
        assert about(in_order[a, b], counts[a, b], 1 / 2)


def test_keys_and_values_are_all_equally_likely():
    """Three keys of which two are shown, in either order, and two values that may be the same: 6 · 9 beginnings."""
    n = 20_000
    batch = AssociativeRecall(6, pairs=2, vocabulary=7).sample(n, stream(4, "train", 0))
    counts = {}
    for steps in batch.inputs[:, :4].tolist():
        beginning = tuple(step.index(1.0) for step in steps)
        counts[beginning] = counts.get(beginning, 0) + 1
    assert len(counts) == 54
    assert all(about(count, n, 1 / 54) for count in counts.values())


def test_the_loss_is_the_cross_entropy_at_the_keys_that_come_again():
    task = AssociativeRecall(12, pairs=3, vocabulary=9)
    batch = task.sample(30, stream(5, "train", 0))
    outputs = torch.randn(30, 12, 4, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    expected = 0.0
    for steps, scores in zip(batch.inputs.tolist(), outputs.tolist(), strict=True):
        symbols = [step.index(1.0) for step in steps]
        for t in range(6, 12):
            if symbols[t] != 8:
                value = symbols[symbols.index(symbols[t]) + 1] - 4
                expected -= math.log(math.exp(scores[t][value]) / sum(map(math.exp, scores[t]))) / 3 / 30
    assert task.loss(outputs, batch).item() == pytest.approx(expected, rel=1e-12)


def test_the_share_of_right_answers_is_judged():
    task = AssociativeRecall(12, pairs=2, vocabulary=9)
    batch = task.sample(2, stream(2, "train", 0))
    outputs = torch.nn.functional.one_hot(batch.targets, 4).float()
    outputs[~batch.mask] = 0.0
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 1.0]
    asked = batch.mask[1].nonzero()[0, 0]
    outputs[1, asked] = 1 - outputs[1, asked]
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 0.5]


def test_solved_is_99_percent():
    assert AssociativeRecall().solved({"val/acc": 0.99})
    assert not AssociativeRecall().solved({"val/acc": 0.9899})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 11}, "T must be an integer of at least 12 \\(4 pairs, and each of their keys once more\\), got 11"),
        ({"T": 64.0}, "T must be an integer of at least 12 .*, got 64.0"),
        ({"T": "60"}, "T must be an integer of at least 12 .*, got '60'"),
        ({"pairs": 0}, "pairs must be an integer of at least 1"),
        ({"pairs": True}, "pairs must be an integer of at least 1, got True"),
        ({"vocabulary": 8}, "vocabulary must be an integer of at least 9"),
        ({"pairs": 1, "vocabulary": 4}, "vocabulary must be an integer of at least 5"),
        ({"power": 0}, "power must be a number above 0 and at most 1, got 0"),
        ({"power": 1.5}, "power must be a number above 0 and at most 1, got 1.5"),
        ({"power": True}, "power must be a number above 0 and at most 1, got True"),
        ({"power": "1"}, "power must be a number above 0 and at most 1, got '1'"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AssociativeRecall(**arguments)
