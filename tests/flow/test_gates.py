import math

import pytest
import torch

from longlag import build_cell, compose
from longlag.cells import GatedCell, LRUCell, LSTMCell, RNNCell
from longlag.engine.eager import unroll
from longlag.flow.gates import gate_figures
from longlag.flow.tape import Tape
from longlag.settings.compose import conf_dir

CELLS = sorted(path.stem for path in (conf_dir() / "cell").glob("*.yaml"))


def taped(cell, x):
    tape = Tape()
    tape.unroll(cell.double(), x.double())
    return tape


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_against_a_loop_over_sequences_and_steps(name):
    """The gates asked for one at a time, at the valid steps alone."""
    torch.manual_seed(0)
    cell = build_cell(compose(f"cell={name}"), 2, hidden_size=8).double()
    x, lengths = 3 * torch.randn(3, 9, 2, dtype=torch.float64), torch.tensor([9, 4, 1])
    found = gate_figures(taped(cell, x), lengths)
    if not isinstance(cell, GatedCell):
        assert found == {}
        return
    seen = {gate: [] for gate in cell.gate_names}
    for b, length in enumerate(lengths):
        state = cell.initial_state(1, dtype=torch.float64)
        for t in range(length):
            for gate, values in cell.gates(x[b : b + 1, t], state).items():
                seen[gate] += values.flatten().tolist()
            _, state = unroll(cell, x[b : b + 1, t : t + 1], state)
    expected = {}
    for gate, values in seen.items():
        expected[f"gate_{gate}"] = sum(values) / len(values)
        expected[f"gate_{gate}_shut"] = sum(value < 0.1 for value in values) / len(values)
        expected[f"gate_{gate}_open"] = sum(value > 0.9 for value in values) / len(values)
        if gate == cell.forget_gate:
            mean = sum(map(math.log, values)) / len(values)
            expected["memory_half_life"] = math.log(0.5) / mean
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("bias", "steps"), [(0.0, 1.0), (1.0, 2.2127), (3.0, 14.266), (5.0, 103.2)])
def test_the_memory_half_life_of_a_forget_bias(bias, steps):
    """ln ½ / ln σ(b), without weights."""
    cell = LSTMCell(2, 4, forget_bias=bias)
    torch.nn.init.zeros_(cell.W.weight)
    found = gate_figures(taped(cell, torch.randn(2, 5, 2)), torch.tensor([5, 5]))
    assert found["memory_half_life"] == pytest.approx(steps, rel=1e-3)
    assert found["gate_f"] == pytest.approx(1 / (1 + math.exp(-bias)))


def test_gates_that_are_stuck_are_counted():
    cell = LSTMCell(2, 4, forget_bias=50.0)
    cell.gate_bias("i").fill_(-50.0)
    found = gate_figures(taped(cell, torch.randn(2, 5, 2)), torch.tensor([5, 5]))
    assert (found["gate_f_open"], found["gate_f_shut"]) == (1.0, 0.0)
    assert (found["gate_i_open"], found["gate_i_shut"]) == (0.0, 1.0)
    assert found["memory_half_life"] > 1e15


@pytest.mark.parametrize("cell", [RNNCell, LRUCell])
def test_a_cell_without_gates_has_no_figures(cell):
    assert gate_figures(taped(cell(2, 4), torch.randn(2, 5, 2)), torch.tensor([5, 5])) == {}
