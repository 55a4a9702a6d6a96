import pytest
import torch

from longlag.task import stream
from tasks.associative_recall import AssociativeRecall


@pytest.mark.parametrize(("T", "pairs", "vocabulary"), [(3, 1, 5), (64, 4, 64), (24, 8, 17)])
def test_each_key_comes_again_once_and_its_value_is_asked_for(T, pairs, vocabulary):
    task = AssociativeRecall(T, pairs, vocabulary)
    keys = (vocabulary - 1) // 2
    names = [f"k{k}" for k in range(1, keys + 1)] + [f"v{k}" for k in range(1, keys + 1)] + ["·"]
    assert list(task.alphabet) == names
    batch = task.sample(2000, stream(0, "train", 0))
    assert batch.inputs.shape == (2000, T, len(names))
    assert (batch.inputs.sum(-1) == 1).all()
    orders = set()
    for row in range(2000):
        symbols = [names[step.index(1.0)] for step in batch.inputs[row].tolist()]
        meaning = dict(zip(symbols[0 : 2 * pairs : 2], symbols[1 : 2 * pairs : 2], strict=True))
        assert len(meaning) == pairs
        assert all(key[0] == "k" and value[0] == "v" for key, value in meaning.items())
        again = {t: symbol for t, symbol in enumerate(symbols) if t >= 2 * pairs and symbol != "·"}
        assert sorted(again.values()) == sorted(meaning)
        assert batch.mask[row].nonzero().flatten().tolist() == list(again)
        for t, key in again.items():
            assert f"v{batch.targets[row, t].item() + 1}" == meaning[key]
        orders.add(tuple(list(meaning).index(key) for key in again.values()))
    if pairs == 1:
        assert orders == {(0,)}
    elif pairs == 4:
        assert len(orders) == 24  # every order in which four keys can come again


@pytest.mark.parametrize("power", [1.0, 0.01])
def test_places_follow_the_power_law(power):
    """One key, ten free places: place j with a probability of j^(power − 1) over their sum."""
    n = 20_000
    batch = AssociativeRecall(12, pairs=1, vocabulary=5, power=power).sample(n, stream(1, "train", 0))
    counts = batch.mask[:, 2:].sum(0).tolist()
    weights = [j ** (power - 1) for j in range(1, 11)]
    for count, weight in zip(counts, weights, strict=True):
        probability = weight / sum(weights)
        assert abs(count - n * probability) < 5 * (n * probability * (1 - probability)) ** 0.5


def test_the_share_of_right_answers_is_judged():
    task = AssociativeRecall(12, pairs=2, vocabulary=9)
    batch = task.sample(2, stream(2, "train", 0))
    outputs = torch.nn.functional.one_hot(batch.targets, 4).float()
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 1.0]
    asked = batch.mask[1].nonzero()[0, 0]
    outputs[1, asked] = 1 - outputs[1, asked]
    assert task.judge(outputs, batch)["acc"].tolist() == [1.0, 0.5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 11}, "T must be an integer of at least 12 \\(4 pairs, and each of their keys once more\\), got 11"),
        ({"pairs": 0}, "pairs must be an integer of at least 1"),
        ({"vocabulary": 8}, "vocabulary must be an integer of at least 9"),
        ({"power": 0}, "power must be a number above 0 and at most 1, got 0"),
        ({"power": 1.5}, "power must be a number above 0 and at most 1, got 1.5"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AssociativeRecall(**arguments)
