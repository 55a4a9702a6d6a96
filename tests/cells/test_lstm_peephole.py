import math

import pytest
import torch
from by_hand import logistic
from torch.func import functional_call

from longlag.cells.lstm import LSTMCell
from longlag.cells.lstm_peephole import PeepholeLSTMCell
from longlag.model import SequenceModel


def with_random_peepholes(I, H):  # noqa: E741 -- the field's name
    cell = PeepholeLSTMCell(I, H).double()
    with torch.no_grad():
        for p in (cell.p_i, cell.p_f, cell.p_o):
            p.normal_()
    return cell


def test_a_step_by_hand():
    """H=1, I=1, every weight and bias a number of its own; the arithmetic is written out with math alone."""
    cell = PeepholeLSTMCell(1, 1).double()
    weights = [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8]]  # rows i, f, g, o
    with torch.no_grad():
        cell.W.weight.copy_(torch.tensor(weights, dtype=torch.float64))
        cell.W.bias.copy_(torch.tensor([0.01, 0.02, 0.03, 0.04], dtype=torch.float64))
        for p, value in ((cell.p_i, 0.9), (cell.p_f, -1.1), (cell.p_o, 1.3)):
            p.fill_(value)
    x, h, c = 0.9, -0.5, 1.5

    i = logistic(0.1 * h + 0.2 * x + 0.01 + 0.9 * c)
    f = logistic(0.3 * h + 0.4 * x + 0.02 - 1.1 * c)
    g = math.tanh(0.5 * h + 0.6 * x + 0.03)
    c_new = f * c + i * g
    o = logistic(0.7 * h + 0.8 * x + 0.04 + 1.3 * c_new)  # the output gate sees the new cell state

    x, h, c = (torch.tensor([[v]], dtype=torch.float64) for v in (x, h, c))
    got_h, got_c = cell(x, (h, c))
    gates = cell.gates(x, (h, c))
    # a dozen roundings of float64
    assert got_c.item() == pytest.approx(c_new, rel=1e-14)
    assert got_h.item() == pytest.approx(o * math.tanh(c_new), rel=1e-14)
    assert {name: gate.item() for name, gate in gates.items()} == pytest.approx({"i": i, "f": f, "o": o}, rel=1e-14)


def test_gradcheck():
    torch.manual_seed(0)
    cell = with_random_peepholes(2, 3)
    names, parameters = zip(*cell.named_parameters(), strict=True)
    inputs = [torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (2, 3, 3)]

    def step(x, h, c, *values):
        return functional_call(cell, dict(zip(names, values, strict=True)), (x, (h, c)))

    assert torch.autograd.gradcheck(step, [*inputs, *parameters])


def test_without_its_peepholes_it_is_the_lstm_of_the_same_seed():
    """Values and gradients of five steps from the start."""
    torch.manual_seed(0)
    lstm = LSTMCell(2, 5, forget_bias=-0.5).double()
    torch.manual_seed(0)
    cell = PeepholeLSTMCell(2, 5, forget_bias=-0.5).double()
    x = torch.randn(3, 5, 2, dtype=torch.float64)
    results = []
    for each in (cell, lstm):
        state = each.initial_state(3, dtype=torch.float64)
        for x_t in x.unbind(1):
            state = each(x_t, state)
        gradients = torch.autograd.grad(state[0].sum() + (state[1] ** 2).sum(), each.W.parameters())
        results.append((*state, *gradients))
    # addcmul may round where the LSTM has nothing to add: a few roundings of float64
    torch.testing.assert_close(results[0], results[1], rtol=1e-13, atol=1e-15)


def test_the_peepholes_start_at_zero_and_learn_nevertheless():
    torch.manual_seed(0)
    cell = PeepholeLSTMCell(2, 5).double()
    state = (torch.randn(4, 5, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64))
    h, _ = cell(torch.randn(4, 2, dtype=torch.float64), state)
    peepholes = (cell.p_i, cell.p_f, cell.p_o)
    assert all(p.count_nonzero() == 0 for p in peepholes)
    assert all((gradient != 0).all() for gradient in torch.autograd.grad(h.sum(), peepholes))


def test_a_peephole_sees_its_own_unit_only():
    torch.manual_seed(0)
    cell = with_random_peepholes(2, 3)
    x, h, c = (torch.randn(1, n, dtype=torch.float64) for n in (2, 3, 3))
    for gate in ("i", "f", "o"):
        seen = torch.autograd.functional.jacobian(lambda c, gate=gate: cell.gates(x, (h, c))[gate][0], c)[
            :, 0
        ]  # [H, H]
        assert torch.equal(seen != 0, torch.eye(3, dtype=torch.bool))


def test_the_net_of_the_timing_tasks_has_17_weights():
    model = SequenceModel(PeepholeLSTMCell(1, 1), output_size=1)
    assert sum(p.numel() for p in model.parameters()) == 17


@pytest.mark.parametrize("bias", [-2, 0.0, 1.0, 4.5])
def test_with_nothing_to_see_the_forget_gate_is_the_logistic_of_its_bias(bias):
    torch.manual_seed(0)
    cell = PeepholeLSTMCell(2, 5, forget_bias=bias).double()
    with torch.no_grad():
        cell.p_f.normal_()
    f = cell.gates(torch.zeros(1, 2).double(), cell.initial_state(1, dtype=torch.float64))["f"]
    assert torch.equal(f, torch.sigmoid(torch.full((1, 5), bias, dtype=torch.float64)))


def test_an_open_forget_gate_and_a_shut_input_gate_carry_the_state_and_the_error():
    torch.manual_seed(0)
    cell = with_random_peepholes(2, 3)
    cell.gate_bias("f").fill_(50)
    cell.gate_bias("i").fill_(-50)
    c = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    state = (torch.zeros(4, 3, dtype=torch.float64), c)
    for _ in range(60):
        state = cell(torch.randn(4, 2, dtype=torch.float64), state)
    (gradient,) = torch.autograd.grad(state[1].sum(), c)
    # the gates are 1 and e^-50 to rounding, whatever W and the peepholes of order 1 add
    torch.testing.assert_close(state[1], c, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient, torch.ones_like(c), rtol=0, atol=1e-12)


@pytest.mark.parametrize("bias", ["1", None, True])
def test_a_forget_bias_that_is_no_number_is_refused(bias):
    with pytest.raises(ValueError, match="forget_bias must be a number"):
        PeepholeLSTMCell(2, 3, forget_bias=bias)


@pytest.mark.parametrize("size", [0, 2.0, True])
def test_a_size_that_is_no_positive_integer_is_refused(size):
    with pytest.raises(ValueError, match="hidden_size must be a positive integer"):
        PeepholeLSTMCell(2, size)
