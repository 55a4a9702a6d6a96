import math

import pytest
import torch

from longlag import build_cell, compose
from longlag.cells import LRUCell, RNNCell, UnitaryRNNCell
from longlag.cells.lstm_1997 import LSTM1997Cell
from longlag.flow.recurrent_weights import recurrent_figures
from longlag.settings.compose import conf_dir

CELLS = sorted(path.stem for path in (conf_dir() / "cell").glob("*.yaml"))
#: name of a cell -> the matrices that the equations in its docstring have
MATRICES = {
    "rnn": "h", "irnn": "h", "gru": "r z n", "lstm": "i f g o", "lstm_peephole": "i f g o", "lstm_coupled": "f g o",
    "lstm_refine": "f r u o", "lstm_1997": "i o g", "lstm_forget_2000": "i f o g", "slstm": "i f g o",
    "lru": "memory", "unitary_rnn": "memory", "min_lstm": "", "min_gru": "", "mlstm": "", "causal_attention": "",
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_the_matrices_of_every_cell_are_what_h_acts_through(name):
    """With them all set to zero, the h of the step before has no effect any more; with them, it has."""
    torch.manual_seed(0)
    cell = build_cell(compose(f"cell={name}"), 2, hidden_size=8).double()
    matrices = cell.recurrent_weights()
    assert " ".join(matrices) == MATRICES[name]
    if name in ("lru", "unitary_rnn", "slstm") or not matrices:  # the first two read no h; of slstm see below
        return
    x = torch.randn(3, 2, dtype=torch.float64)
    h, c = cell.initial_state(3, dtype=torch.float64)

    def effect():
        other = torch.randn_like(h)
        after = cell(x, (other, c if cell.has_cell_state else other))[0]
        if name == "gru":  # whose h is also the memory
            after = after - cell.gates(x, (h, c))["z"] * other
        return (after - cell(x, (h, c))[0]).abs().max().item()

    assert effect() > 0
    with torch.no_grad():
        for weights in matrices.values():
            weights.zero_()  # they are views of the parameters
    assert effect() < 1e-12


def test_known_matrices():
    """A rotation by 2 in two directions and a nilpotent one: ρ = 0, norm 3."""
    cell = RNNCell(1, 2)
    with torch.no_grad():
        cell.W.weight[:, :2] = torch.tensor([[0.0, -2.0], [2.0, 0.0]])
    assert recurrent_figures(cell) == pytest.approx({"norm_h": 2.0, "radius_h": 2.0}, rel=1e-12)
    with torch.no_grad():
        cell.W.weight[:, :2] = torch.tensor([[0.0, 3.0], [0.0, 0.0]])
    assert recurrent_figures(cell) == pytest.approx({"norm_h": 3.0, "radius_h": 0.0}, rel=1e-12)


def test_a_unitary_matrix_has_the_norm_and_the_radius_1():
    torch.manual_seed(0)
    cell = UnitaryRNNCell(2, 16).double()
    assert recurrent_figures(cell) == pytest.approx({"norm_memory": 1.0, "radius_memory": 1.0}, rel=1e-12)
    z = torch.randn(3, 8, dtype=torch.complex128)
    torch.testing.assert_close(z @ cell.recurrent_weights()["memory"].T, cell._rotated(z))


def test_the_radius_of_a_linear_recurrent_unit_is_its_largest_eigenvalue():
    cell = LRUCell(2, 16)
    largest = cell.eigenvalues().abs().max().item()
    assert recurrent_figures(cell)["radius_memory"] == pytest.approx(largest, rel=1e-6)  # which are float32


def test_gates_of_blocks_have_a_norm_but_no_radius():
    found = recurrent_figures(LSTM1997Cell(2, 8, block_size=2))
    assert set(found) == {"norm_i", "norm_o", "norm_g", "radius_g"}
    assert recurrent_figures(LSTM1997Cell(2, 8, output_gate=False)) == {}


def test_the_heads_of_an_slstm_are_blocks_on_the_diagonal():
    torch.manual_seed(0)
    cell = build_cell(compose("cell=slstm"), 3, hidden_size=8, heads=2).double()
    x, h = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 8, dtype=torch.float64)
    with_h, without = cell._pre_activations(x, h), cell._pre_activations(x, 0 * h)
    for (name, weights), a, b in zip(cell.recurrent_weights().items(), with_h, without, strict=True):
        torch.testing.assert_close(h @ weights.T, a - b, msg=name)


def test_a_module_without_them_has_no_figures():
    assert recurrent_figures(torch.nn.Linear(2, 2)) == {}
    assert math.isfinite(recurrent_figures(RNNCell(2, 3))["norm_h"])


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_weights_that_are_not_finite_have_no_figures(broken):
    cell = RNNCell(2, 3)
    with torch.no_grad():
        cell.W.weight[0, 0] = broken
    assert all(math.isnan(value) for value in recurrent_figures(cell).values())
