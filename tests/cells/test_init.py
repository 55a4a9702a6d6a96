import math
from functools import partial

import pytest
import torch

from longlag.cells.gru import GRUCell
from longlag.cells.init import Chrono, Staggered, Uniform
from longlag.cells.lstm import LSTMCell
from longlag.cells.lstm_coupled import CoupledLSTMCell
from longlag.cells.lstm_refine import RefinedLSTMCell
from longlag.cells.rnn import RNNCell

GATED = [LSTMCell, CoupledLSTMCell, GRUCell, RefinedLSTMCell]


def started(make, start, seed=0):
    """A cell, and its twin of the same seed that is left as its constructor made it."""
    torch.manual_seed(seed)
    untouched = make()
    torch.manual_seed(seed)
    cell = make()
    start(cell)
    return cell, untouched


def assert_only_these_biases_changed(cell, untouched, names):
    """Put the biases of the named gates back: then all parameters are as they were."""
    for name in names:
        assert not torch.equal(cell.gate_bias(name), untouched.gate_bias(name))
    kept = {name: cell.gate_bias(name).clone() for name in names}
    for name in names:
        cell.gate_bias(name).copy_(untouched.gate_bias(name))
    for (name, ours), theirs in zip(cell.named_parameters(), untouched.parameters(), strict=True):
        assert torch.equal(ours, theirs), name
    for name in names:
        cell.gate_bias(name).copy_(kept[name])


def furthest_from_uniform(values, low, high):
    """The Kolmogorov-Smirnov statistic: the largest gap between what share lies below a value and what should."""
    ordered = values.double().sort().values
    expected = (ordered - low) / (high - low)
    n = len(ordered)
    steps = torch.arange(n + 1, dtype=torch.float64) / n
    return torch.maximum((steps[1:] - expected).max(), (expected - steps[:-1]).max()).item()


@pytest.mark.parametrize(
    ("make", "forget_gate", "others"),
    [(LSTMCell, "f", ("i", "o")), (CoupledLSTMCell, "f", ("o",)), (GRUCell, "z", ())],
)
def test_staggered_biases_rise_from_block_to_block(make, forget_gate, others):
    cell, untouched = started(partial(make, 2, 4), Staggered(0.5, 2))
    assert cell.gate_bias(forget_gate).tolist() == [0.5, 1.0, 1.5, 2.0]
    for name in others:
        assert cell.gate_bias(name).tolist() == [-0.5, -1.0, -1.5, -2.0]
    assert_only_these_biases_changed(cell, untouched, [forget_gate, *others])


def test_staggered_biases_of_a_single_unit_are_the_first():
    cell, _ = started(partial(LSTMCell, 2, 1), Staggered(0.5, 2.0))
    assert {name: cell.gate_bias(name).item() for name in "ifo"} == {"i": -0.5, "f": 0.5, "o": -0.5}


@pytest.mark.parametrize("wrong", [True, "1", None])
def test_a_staggered_bias_that_is_no_number_is_refused(wrong):
    with pytest.raises(ValueError, match="first must be a number"):
        Staggered(wrong, 2.0)
    with pytest.raises(ValueError, match="last must be a number"):
        Staggered(0.5, wrong)


@pytest.mark.parametrize("make", GATED)
def test_chrono_biases_are_logarithms_of_uniform_times(make):
    n, T_max = 2000, 750
    cell, untouched = started(partial(make, 1, n), Chrono(T_max))
    bias = cell.gate_bias(cell.forget_gate)
    assert bias.min() >= 0
    assert bias.max() <= math.log(T_max - 1) * (1 + 1e-6)  # the logarithm is rounded to float32
    # for 2000 draws from the right distribution the gap exceeds 1.95/sqrt(n) once in a thousand times
    assert furthest_from_uniform(bias.exp(), 1, T_max - 1) < 1.95 / math.sqrt(n)
    changed = {cell.forget_gate}
    if "i" in cell.gate_names:
        assert torch.equal(cell.gate_bias("i"), -bias)
        changed.add("i")
    assert_only_these_biases_changed(cell, untouched, changed)


def test_chrono_leaves_no_choice_for_a_lag_of_two():
    cell, _ = started(partial(LSTMCell, 2, 5), Chrono(2))
    assert cell.gate_bias("f").tolist() == [0.0] * 5


@pytest.mark.parametrize("T_max", [1, 0, -3, 10.0, "10", True, None])
def test_a_longest_lag_that_is_no_integer_of_at_least_two_is_refused(T_max):
    with pytest.raises(ValueError, match="T_max must be an integer of at least 2"):
        Chrono(T_max)


@pytest.mark.parametrize("make", GATED)
def test_uniform_gates_keep_away_from_0_and_1_by_a_share_of_the_units(make):
    """The values too small or too large to be drawn are 20 % in all, so that a wrong interval is seen."""
    n = 10
    drawn = []
    for seed in range(200):
        cell, untouched = started(partial(make, 1, n), Uniform(), seed)
        drawn.append(torch.sigmoid(cell.gate_bias(cell.forget_gate).double()))
    u = torch.cat(drawn)
    assert u.min() > 1 / n - 1e-6  # the bias is rounded to float32
    assert u.max() < 1 - 1 / n + 1e-6
    # for 2000 draws from the right distribution the gap exceeds 1.95/sqrt(2000) once in a thousand times
    assert furthest_from_uniform(u, 1 / n, 1 - 1 / n) < 1.95 / math.sqrt(2000)
    changed = [cell.forget_gate] if cell.refine_gate is None else [cell.forget_gate, cell.refine_gate]
    assert_only_these_biases_changed(cell, untouched, changed)


def test_uniform_gates_have_a_refine_gate_that_starts_with_the_negative_bias():
    cell, _ = started(partial(RefinedLSTMCell, 2, 40), Uniform())
    assert torch.equal(cell.gate_bias("r"), -cell.gate_bias("f"))
    assert cell.gate_bias("r").unique().numel() == 40


@pytest.mark.parametrize("start", [Staggered(0.5, 2.0), Chrono(100)])
def test_the_others_leave_a_refine_gate_that_bends_nothing(start):
    cell, _ = started(partial(RefinedLSTMCell, 2, 5), start)
    f = cell.gates(torch.zeros(1, 2), cell.initial_state(1))["f"][0]
    assert torch.equal(f, torch.sigmoid(cell.gate_bias("f")))


def test_uniform_gates_of_a_single_unit_are_refused():
    with pytest.raises(ValueError, match="at least two hidden units"):
        Uniform()(LSTMCell(2, 1))


@pytest.mark.parametrize("start", [Staggered(0.5, 2.0), Chrono(100), Uniform()])
def test_a_cell_without_a_forget_gate_is_refused(start):
    with pytest.raises(ValueError, match="RNNCell has no forget gate"):
        start(RNNCell(2, 5))


@pytest.mark.parametrize("start", [Chrono(100), Uniform()])
def test_what_is_drawn_belongs_to_the_seed(start):
    biases = [started(partial(LSTMCell, 2, 5), start, seed)[0].W.bias for seed in (0, 0, 1)]
    assert torch.equal(biases[0], biases[1])
    assert not torch.equal(biases[0], biases[2])


@pytest.mark.parametrize("start", [Staggered(0.5, 2.0), Chrono(100), Uniform()])
def test_whatever_bias_the_constructor_has_set_is_overwritten(start):
    one, other = (started(partial(LSTMCell, 2, 5, forget_bias=bias), start)[0].W.bias for bias in (1.0, -7.0))
    assert torch.equal(one, other)
