import math
from itertools import permutations

import pytest
import torch
from longlag.tasks.associative_recall import AssociativeRecall

from longlag.task import stream


def about(count, n, probability):
    """Say whether an event came about as often in n draws as its probability says: within five standard errors."""
    return abs(count - n * probability) < 5 * (n * probability * (1 - probability)) ** 0.5


def names_of(vocabulary):
    """Return the symbols: a blank, keys up to half of the vocabulary, values for the rest."""
    half = vocabulary // 2
    return ["·"] + [f"k{k}" for k in range(1, half)] + [f"v{k}" for k in range(1, vocabulary - half + 1)]


@pytest.mark.parametrize("fillers", [True, False])
@pytest.mark.parametrize(("T", "pairs", "vocabulary"), [(4, 1, 4), (64, 4, 64), (33, 8, 18), (40, 8, 19)])
def test_each_key_comes_again_and_its_value_is_asked_for(T, pairs, vocabulary, fillers):
    task = AssociativeRecall(T, pairs, vocabulary, fillers=fillers)
    names = names_of(vocabulary)
    assert list(task.alphabet) == names
    assert (task.input_size, task.output_size) == (vocabulary, sum(name[0] == "v" for name in names))
    batch = task.sample(2000, stream(0, "train", 0))
    assert batch.inputs.shape == (2000, T, vocabulary)
    assert batch.lengths.tolist() == [T] * 2000
    assert task.cues(batch).tolist() == [[t < 2 * pairs for t in range(T)]] * 2000
    between = set()
    for row in range(2000):
        steps = batch.inputs[row].tolist()
        assert all(sorted(step) == [0.0] * (vocabulary - 1) + [1.0] for step in steps)
        symbols = [names[step.index(1.0)] for step in steps]
        meaning = dict(zip(symbols[0 : 2 * pairs : 2], symbols[1 : 2 * pairs : 2], strict=True))
        assert len(meaning) == len(set(meaning.values())) == pairs
        assert all(key[0] == "k" and value[0] == "v" for key, value in meaning.items())
        asked = batch.mask[row].nonzero().flatten().tolist()
        assert all(t >= 2 * pairs and t % 2 == 0 for t in asked)
        assert sorted(symbols[t] for t in asked) == sorted(meaning)
        for t in asked:
            assert f"v{batch.targets[row, t].item() + 1}" == meaning[symbols[t]]
        between |= {symbols[t] for t in range(2 * pairs, T) if t not in asked}
    assert between == (set(names) if fillers else {"·"})


def test_fillers_are_uniform_over_the_vocabulary():
    """Twelve steps after the pair of which one is asked for: eleven symbols, each any of six."""
    n = 10_000
    batch = AssociativeRecall(14, pairs=1, vocabulary=6).sample(n, stream(7, "train", 0))
    fillers = batch.inputs[:, 2:][~batch.mask[:, 2:]].argmax(-1).bincount(minlength=6)
    assert fillers.sum() == 11 * n
    assert all(about(count, 11 * n, 1 / 6) for count in fillers.tolist())


@pytest.mark.parametrize("power", [1.0, 0.5, 0.01])
def test_places_follow_the_power_law(power):
    """One key, ten places, every second step: place j with a probability of j^(power − 1) over their sum."""
    n = 20_000
    batch = AssociativeRecall(22, pairs=1, vocabulary=5, power=power).sample(n, stream(1, "train", 0))
    counts = batch.mask[:, 2::2].sum(0).tolist()
    weights = [j ** (power - 1) for j in range(1, 11)]
    for count, weight in zip(counts, weights, strict=True):
        assert about(count, n, weight / sum(weights))


@pytest.mark.parametrize("power", [1.0, 0.01])
def test_two_places_are_drawn_one_after_the_other_the_first_for_the_first_key(power):
    """Place a for the key that was shown first, then b from what is left for the other."""
    n = 20_000
    batch = AssociativeRecall(14, pairs=2, vocabulary=6, power=power, fillers=False).sample(n, stream(3, "train", 0))
    counts = {}
    for steps in batch.inputs.tolist():
        symbols = [step.index(1.0) for step in steps]
        a, b = (symbols[4:].index(symbols[k]) // 2 + 1 for k in (0, 2))
        counts[a, b] = counts.get((a, b), 0) + 1
    weights = {j: j ** (power - 1) for j in range(1, 6)}
    total = sum(weights.values())
    for a, b in permutations(weights, 2):
        assert about(counts[a, b], n, weights[a] / total * weights[b] / (total - weights[a]))


def test_keys_and_values_are_all_equally_likely():
    """Two of three keys in either order, two of four values in either order: 6 · 12 beginnings."""
    n = 20_000
    batch = AssociativeRecall(8, pairs=2, vocabulary=8).sample(n, stream(4, "train", 0))
    counts = {}
    for steps in batch.inputs[:, :4].tolist():
        beginning = tuple(step.index(1.0) for step in steps)
        counts[beginning] = counts.get(beginning, 0) + 1
    assert len(counts) == 72
    assert all(about(count, n, 1 / 72) for count in counts.values())


def test_the_loss_is_the_cross_entropy_at_the_keys_that_are_asked_for():
    task = AssociativeRecall(12, pairs=3, vocabulary=9)  # three keys, five values
    batch = task.sample(30, stream(5, "train", 0))
    outputs = torch.randn(30, 12, 5, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    expected = 0.0
    for steps, scores, asked in zip(batch.inputs.tolist(), outputs.tolist(), batch.mask.tolist(), strict=True):
        symbols = [step.index(1.0) for step in steps]
        for t in range(6, 12):
            if asked[t]:
                value = symbols[symbols.index(symbols[t]) + 1] - 4
                expected -= math.log(math.exp(scores[t][value]) / sum(map(math.exp, scores[t]))) / 3 / 30
    assert task.loss(outputs, batch).item() == pytest.approx(expected, rel=1e-12)


def test_the_share_of_right_answers_is_judged():
    task = AssociativeRecall(12, pairs=2, vocabulary=9)
    batch = task.sample(2, stream(2, "train", 0))
    outputs = torch.nn.functional.one_hot(batch.targets, 5).float()
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
        (
            {"T": 15},
            "T must be an integer of at least 16 .4 pairs, and every second step .*, got 15",
        ),
        ({"T": 64.0}, "T must be an integer of at least 16 .*, got 64.0"),
        ({"T": "60"}, "T must be an integer of at least 16 .*, got '60'"),
        ({"fillers": "no"}, "fillers must be true or false, got 'no'"),
        ({"pairs": 0}, "pairs must be an integer of at least 1"),
        ({"pairs": True}, "pairs must be an integer of at least 1, got True"),
        ({"vocabulary": 9}, "vocabulary must be an integer of at least 10 .a blank, 4 keys, 5 values., got 9"),
        ({"pairs": 1, "vocabulary": 3}, "vocabulary must be an integer of at least 4"),
        ({"power": 0}, "power must be a number above 0 and at most 1, got 0"),
        ({"power": 1.5}, "power must be a number above 0 and at most 1, got 1.5"),
        ({"power": True}, "power must be a number above 0 and at most 1, got True"),
        ({"power": "1"}, "power must be a number above 0 and at most 1, got '1'"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AssociativeRecall(**arguments)
