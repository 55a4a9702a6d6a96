import math
import random
from collections import Counter

import pytest

from longlag.task import stream
from tasks.modular_arithmetic import ModularArithmetic


@pytest.mark.parametrize(("T", "modulus"), [(3, 5), (9, 2), (40, 5)])
def test_values_are_what_python_makes_of_the_expression(T, modulus):
    task = ModularArithmetic(T, modulus=modulus)
    batch = task.sample(3000, stream(0, "train", 0))
    names = [str(k) for k in range(modulus)] + ["+", "-", "*"]
    lengths, operators = set(), Counter()
    for row in range(3000):
        length = batch.lengths[row].item()
        lengths.add(length)
        steps = batch.inputs[row].tolist()
        assert all(sum(step) == 1 for step in steps[:length])
        assert not any(any(step) for step in steps[length:])
        symbols = [names[step.index(1.0)] for step in steps[:length]]
        assert all(symbol.isdigit() == (t % 2 == 0) for t, symbol in enumerate(symbols))
        operators.update(symbols[1::2])
        assert batch.targets[row].item() == eval("".join(symbols)) % modulus
    assert lengths == set(range(3, T + 1, 2))
    total = sum(operators.values())
    assert all(abs(operators[o] - total / 3) < 5 * (total * 2 / 9) ** 0.5 for o in "+-*")


def test_validation_and_test_are_longer_than_training():
    task = ModularArithmetic(9, longest=16)
    expected = {"train": {3, 5, 7, 9}, "val": {9, 11, 13, 15}, "test": {9, 11, 13, 15}}
    for split, lengths in expected.items():
        assert set(task.draw(split, 0, 2000).lengths.tolist()) == lengths
    even = ModularArithmetic(8, longest=16).draw("val", 0, 2000).lengths
    assert set(even.tolist()) == {9, 11, 13, 15}


def test_the_chance_levels_are_those_of_the_distribution_of_values():
    """By a naive sampler of expressions of 3 and 5 symbols; products make 0 the likeliest value."""
    task = ModularArithmetic(3, longest=5)
    rng = random.Random(0)
    counts = Counter()
    n = 60_000
    for _ in range(n):
        expression = str(rng.randrange(5))
        for _ in range(rng.choice([1, 2])):
            expression += rng.choice("+-*") + str(rng.randrange(5))
        counts[eval(expression) % 5] += 1
    assert counts.most_common(1)[0][0] == 0
    assert task.chance_accuracy == pytest.approx(counts[0] / n, abs=5 * (0.2 / n) ** 0.5)
    assert task.chance_accuracy > 0.24
    entropy = -sum(c / n * math.log(c / n) for c in counts.values())
    assert task.chance_loss == pytest.approx(entropy, abs=0.003)


def test_every_symbol_is_a_cue():
    task = ModularArithmetic(9)
    batch = task.sample(4, stream(2, "train", 0))
    assert task.cues(batch).sum(1).tolist() == batch.lengths.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 2}, "T must be an integer of at least 3"),
        (
            {"T": 40, "longest": 40},
            "longest must be an integer of at least 41 .above T, where training ends.",
        ),
        ({"modulus": 1}, "modulus must be an integer of at least 2"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ModularArithmetic(**arguments)
