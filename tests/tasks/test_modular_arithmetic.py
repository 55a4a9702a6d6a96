import math
import random
from collections import Counter
from itertools import product

import pytest
import torch
from longlag.tasks.modular_arithmetic import ModularArithmetic

from longlag.task import stream


def check_expressions(task, batch, lengths):
    """Compare every label, mask and length with what Python makes of the expression; return the symbols."""
    modulus = task.modulus
    names = [str(k) for k in range(modulus)] + ["+", "-", "*"]
    cues = task.cues(batch).tolist()
    seen, drawn = Counter(), Counter()
    for row, length in enumerate(batch.lengths.tolist()):
        seen[length] += 1
        steps = batch.inputs[row].tolist()
        assert all(sorted(step) == [0.0] * (modulus + 2) + [1.0] for step in steps[:length])
        assert not any(any(step) for step in steps[length:])
        symbols = [names[step.index(1.0)] for step in steps[:length]]
        assert all(symbol.isdigit() == (t % 2 == 0) for t, symbol in enumerate(symbols))
        drawn.update(symbols)
        assert batch.targets[row].item() == eval("".join(symbols)) % modulus
        assert batch.mask[row].tolist() == [t == length - 1 for t in range(len(steps))]
        assert cues[row] == [t < length for t in range(len(steps))]
    assert set(seen) == set(lengths)
    expected = len(batch.lengths) / len(lengths)
    assert all(abs(count - expected) <= 5 * expected**0.5 for count in seen.values())
    return drawn


@pytest.mark.parametrize(("T", "modulus"), [(3, 5), (4, 5), (9, 2), (40, 5), (12, 10)])
def test_values_are_what_python_makes_of_the_expression(T, modulus):
    task = ModularArithmetic(T, modulus=modulus)
    assert task.alphabet == (*map(str, range(modulus)), "+", "−", "×")
    drawn = check_expressions(task, task.sample(3000, stream(0, "train", 0)), range(3, T + 1, 2))
    for kind in ("+-*", "".join(map(str, range(modulus)))):
        total = sum(drawn[symbol] for symbol in kind)
        assert all(abs(drawn[symbol] - total / len(kind)) < 5 * (total / len(kind)) ** 0.5 for symbol in kind)


@pytest.mark.parametrize("split", ["val", "test"])
def test_values_of_long_expressions_are_right_too(split):
    task = ModularArithmetic(40)
    check_expressions(task, task.draw(split, 0, 1000), range(41, 257, 2))


def test_validation_and_test_are_longer_than_training():
    task = ModularArithmetic(9, longest=16)
    expected = {"train": {3, 5, 7, 9}, "val": {9, 11, 13, 15}, "test": {9, 11, 13, 15}}
    for split, lengths in expected.items():
        assert set(task.draw(split, 0, 2000).lengths.tolist()) == lengths
    even = ModularArithmetic(8, longest=16).draw("val", 0, 2000).lengths
    assert set(even.tolist()) == {9, 11, 13, 15}


@pytest.mark.parametrize(("T", "longest"), [(40, 256), (128, 256), (200, 400)])
def test_the_longest_sequence_is_the_published_one_or_twice_the_longest_trained_on(T, longest):
    assert ModularArithmetic(T).longest == longest


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


@pytest.mark.parametrize(
    ("T", "longest", "modulus", "lengths"), [(3, 5, 5, [3, 5]), (3, 4, 6, [3]), (4, 7, 3, [5, 7]), (3, 7, 2, [3, 5, 7])]
)
def test_the_chance_levels_are_exact(T, longest, modulus, lengths):
    """By every expression there is, each length with the same weight."""
    task = ModularArithmetic(T, longest, modulus)
    shares = dict.fromkeys(range(modulus), 0.0)
    for length in lengths:
        numbers = [str(k) for k in range(modulus)]
        strings = list(product(*([numbers, "+-*"] * (length // 2)), numbers))
        for symbols in strings:
            shares[eval("".join(symbols)) % modulus] += 1 / len(strings) / len(lengths)
    assert task.chance_accuracy == pytest.approx(max(shares.values()), rel=1e-9)
    assert task.chance_loss == pytest.approx(-sum(p * math.log(p) for p in shares.values()), rel=1e-9)


def test_the_scaled_accuracy_is_0_at_one_in_the_modulus():
    task = ModularArithmetic(5)
    batch = task.sample(5, stream(1, "train", 0))
    outputs = torch.nn.functional.one_hot(batch.targets, 5).float()
    outputs[1:] = 1 - outputs[1:]
    judged = task.judge(outputs, batch)
    assert judged["acc"].tolist() == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert judged["scaled_acc"].mean().item() == pytest.approx(0, abs=1e-7)


def test_solved_is_99_percent():
    assert ModularArithmetic().solved({"val/acc": 0.99, "val/scaled_acc": 0.9875})
    assert not ModularArithmetic().solved({"val/acc": 0.9899, "val/scaled_acc": 0.987})


def test_every_symbol_is_a_cue():
    task = ModularArithmetic(9)
    batch = task.sample(4, stream(2, "train", 0))
    assert task.cues(batch).sum(1).tolist() == batch.lengths.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"T": 2}, "T must be an integer of at least 3"),
        ({"T": True}, "T must be an integer of at least 3 \\(two numbers and an operator\\), got True"),
        ({"T": 3.5}, "T must be an integer of at least 3 .*, got 3.5"),
        ({"T": "60"}, "T must be an integer of at least 3 .*, got '60'"),
        (
            {"T": 40, "longest": 40},
            "longest must be an integer of at least 41 .above T, where training ends.",
        ),
        ({"longest": "all"}, "longest must be an integer of at least 41 .*, got 'all'"),
        ({"modulus": 1}, "modulus must be an integer of at least 2"),
        ({"modulus": 5.0}, "modulus must be an integer of at least 2, got 5.0"),
    ],
)
def test_wrong_settings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ModularArithmetic(**arguments)
