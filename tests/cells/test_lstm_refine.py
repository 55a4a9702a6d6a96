import math

import pytest
import torch
from by_hand import logistic
from torch import nn
from torch.func import functional_call

from longlag.cells.init import Uniform
from longlag.cells.lstm_coupled import CoupledLSTMCell
from longlag.cells.lstm_refine import RefinedLSTMCell


def test_a_step_by_hand():
    """H=1, I=1, every weight and bias a number of its own; the arithmetic is written out with math alone."""
    cell = RefinedLSTMCell(1, 1).double()
    weights = [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8]]  # rows f, r, u, o
    with torch.no_grad():
        cell.W.weight.copy_(torch.tensor(weights, dtype=torch.float64))
        cell.W.bias.copy_(torch.tensor([0.01, 0.02, 0.03, 0.04], dtype=torch.float64))
    x, h, c = 0.9, -0.5, 1.5

    f = logistic(0.1 * h + 0.2 * x + 0.01)
    r = logistic(0.3 * h + 0.4 * x + 0.02)
    u = math.tanh(0.5 * h + 0.6 * x + 0.03)
    o = logistic(0.7 * h + 0.8 * x + 0.04)
    e = r * (1 - (1 - f) ** 2) + (1 - r) * f**2  # between the two ends, in the proportion r
    c_new = e * c + (1 - e) * u

    x, h, c = (torch.tensor([[v]], dtype=torch.float64) for v in (x, h, c))
    got_h, got_c = cell(x, (h, c))
    gates = cell.gates(x, (h, c))
    # a dozen roundings of float64
    assert got_c.item() == pytest.approx(c_new, rel=1e-14)
    assert got_h.item() == pytest.approx(o * math.tanh(c_new), rel=1e-14)
    assert {name: gate.item() for name, gate in gates.items()} == pytest.approx({"f": e, "r": r, "o": o}, rel=1e-14)


def test_gradcheck():
    torch.manual_seed(0)
    cell = RefinedLSTMCell(2, 3).double()
    names, parameters = zip(*cell.named_parameters(), strict=True)
    inputs = [torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (2, 3, 3)]

    def step(x, h, c, *values):
        return functional_call(cell, dict(zip(names, values, strict=True)), (x, (h, c)))

    assert torch.autograd.gradcheck(step, [*inputs, *parameters])


@pytest.mark.parametrize(("bias", "end"), [(50.0, lambda f: 1 - (1 - f) ** 2), (-50.0, lambda f: f**2)])
def test_the_refine_gate_moves_the_forget_gate_to_either_end(bias, end):
    torch.manual_seed(0)
    cell = RefinedLSTMCell(2, 5).double()
    cell.gate_bias("r").fill_(bias)
    x, h, c = (torch.randn(4, n, dtype=torch.float64) for n in (2, 5, 5))
    f = torch.sigmoid(cell.W(torch.cat([h, x], dim=-1)).chunk(4, dim=-1)[0])
    # the refine gate is 1 or e^-50 to rounding; then a few roundings of float64
    torch.testing.assert_close(cell.gates(x, (h, c))["f"], end(f), rtol=1e-14, atol=1e-15)


def test_with_half_a_refine_gate_it_is_the_cell_with_coupled_gates():
    """Values and gradients of six steps, with the same weights of f, g and o, and none for r."""
    torch.manual_seed(0)
    cell, coupled = RefinedLSTMCell(2, 5).double(), CoupledLSTMCell(2, 5).double()
    with torch.no_grad():
        for ours, theirs in ((cell.W.weight, coupled.W.weight), (cell.W.bias, coupled.W.bias)):
            f, g, o = theirs.chunk(3)
            ours.copy_(torch.cat([f, torch.zeros_like(f), g, o]))
    x = torch.randn(3, 6, 2, dtype=torch.float64)
    results = []
    for each in (cell, coupled):
        read = x.clone().requires_grad_()
        state = each.initial_state(3, dtype=torch.float64)
        for x_t in read.unbind(1):
            state = each(x_t, state)
        (state[0].sum() + (state[1] ** 2).sum()).backward()
        rows = [part for p in (each.W.weight.grad, each.W.bias.grad) for part in p.chunk(len(each.packing))]
        results.append((*state, read.grad, *rows))
    r_weight, r_bias = results[0][4], results[0][8]
    assert (r_weight != 0).all()  # it may not bend the gate yet, but it learns to
    assert (r_bias != 0).all()
    ours = [part for k, part in enumerate(results[0]) if k not in (4, 8)]
    # the forward pass is the same to the last bit but for the order of products; a few dozen roundings backwards
    torch.testing.assert_close(ours, list(results[1]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("bias", [-2, 0.0, 1.0, 4.5])
def test_with_nothing_to_see_the_effective_gate_is_the_logistic_of_the_bias(bias):
    torch.manual_seed(0)
    cell = RefinedLSTMCell(2, 5, forget_bias=bias).double()
    gates = cell.gates(torch.zeros(1, 2).double(), cell.initial_state(1, dtype=torch.float64))
    assert torch.equal(gates["r"], torch.full((1, 5), 0.5, dtype=torch.float64))
    assert torch.equal(gates["f"], torch.sigmoid(torch.full((1, 5), bias, dtype=torch.float64)))


def test_only_the_biases_of_f_and_r_are_set_and_the_rest_starts_as_nn_linear():
    torch.manual_seed(3)
    cell = RefinedLSTMCell(2, 5, forget_bias=-1.5)
    torch.manual_seed(3)
    plain = nn.Linear(7, 20)
    assert torch.equal(cell.W.weight, plain.weight)
    assert cell.W.bias[:10].tolist() == [-1.5] * 5 + [0.0] * 5
    assert torch.equal(cell.W.bias[10:], plain.bias[10:])


def test_with_uniform_gates_it_is_the_ur_lstm():
    """With no input and u = σ(b_f) the refine gate is 1 − u, and the effective gate (1 − u) (1 − (1 − u)²) + u u²."""
    torch.manual_seed(0)
    cell = RefinedLSTMCell(2, 40).double()
    Uniform()(cell)
    gates = cell.gates(torch.zeros(1, 2).double(), cell.initial_state(1, dtype=torch.float64))
    u = torch.sigmoid(cell.gate_bias("f"))
    assert u.unique().numel() == 40
    # a few roundings of float64
    torch.testing.assert_close(gates["r"][0], 1 - u, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(gates["f"][0], (1 - u) * (1 - (1 - u) ** 2) + u**3, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("refine", [-3.0, 0.0, 3.0])
def test_an_open_forget_gate_carries_the_state_and_the_error_however_it_is_bent(refine):
    torch.manual_seed(0)
    cell = RefinedLSTMCell(2, 3, forget_bias=50).double()
    cell.gate_bias("r").fill_(refine)
    c = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    state = (torch.zeros(4, 3, dtype=torch.float64), c)
    for _ in range(60):
        state = cell(torch.randn(4, 2, dtype=torch.float64), state)
    (gradient,) = torch.autograd.grad(state[1].sum(), c)
    # the gate is 1 to rounding, whatever W adds
    torch.testing.assert_close(state[1], c, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, torch.ones_like(c), rtol=0, atol=1e-12)


@pytest.mark.parametrize("bias", ["1", None, True])
def test_a_forget_bias_that_is_no_number_is_refused(bias):
    with pytest.raises(ValueError, match="forget_bias must be a number"):
        RefinedLSTMCell(2, 3, forget_bias=bias)


@pytest.mark.parametrize("size", [0, 2.0, True])
def test_a_size_that_is_no_positive_integer_is_refused(size):
    with pytest.raises(ValueError, match="hidden_size must be a positive integer"):
        RefinedLSTMCell(2, size)
