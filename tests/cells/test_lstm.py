import math

import pytest
import torch
from torch import nn

from longlag.cells import LSTMCell


def test_a_step_by_hand():
    """H=1, I=1, every weight and bias a number of its own; the arithmetic is written out with math alone."""
    cell = LSTMCell(1, 1).double()
    with torch.no_grad():
        cell.W.weight.copy_(torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8]]))  # rows i, f, g, o
        cell.W.bias.copy_(torch.tensor([0.01, 0.02, 0.03, 0.04]))
    x, h, c = 0.9, -0.5, 1.5

    def logistic(z):
        return 1 / (1 + math.exp(-z))

    i = logistic(0.1 * h + 0.2 * x + 0.01)
    f = logistic(0.3 * h + 0.4 * x + 0.02)
    g = math.tanh(0.5 * h + 0.6 * x + 0.03)
    o = logistic(0.7 * h + 0.8 * x + 0.04)
    c_new = f * c + i * g
    h_new = o * math.tanh(c_new)

    got = cell(
        *(torch.tensor([[v]], dtype=torch.float64) for v in (x,)), tuple(torch.tensor([[v]]).double() for v in (h, c))
    )
    # the weights went through float32, so the figures agree to its precision
    assert got[0].item() == pytest.approx(h_new, rel=1e-7)
    assert got[1].item() == pytest.approx(c_new, rel=1e-7)


def test_gradcheck():
    torch.manual_seed(0)
    cell = LSTMCell(2, 3).double()
    inputs = [torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (2, 3, 3)]
    assert torch.autograd.gradcheck(lambda x, h, c: cell(x, (h, c)), inputs)


def test_the_direct_path_is_the_forget_gate():
    torch.manual_seed(0)
    cell = LSTMCell(2, 3).double()
    x, h, c = (torch.randn(4, n, dtype=torch.float64) for n in (2, 3, 3))
    c.requires_grad_()
    _, c_new = cell(x, (h, c))
    (gradient,) = torch.autograd.grad(c_new.sum(), c)
    forget = torch.sigmoid(cell.W(torch.cat([h, x], dim=-1)).chunk(4, dim=-1)[1])
    torch.testing.assert_close(gradient, forget, rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_parity_with_torch(dtype):
    """Values and gradients of a whole sequence equal those of torch.nn.LSTM with the same weights."""
    torch.manual_seed(0)
    B, T, I, H = 3, 7, 2, 5  # noqa: E741
    cell = LSTMCell(I, H, forget_bias=0.5).to(dtype)
    theirs = nn.LSTM(I, H, batch_first=True).to(dtype)
    with torch.no_grad():
        theirs.weight_hh_l0.copy_(cell.W.weight[:, :H])
        theirs.weight_ih_l0.copy_(cell.W.weight[:, H:])
        theirs.bias_ih_l0.copy_(cell.W.bias)
        theirs.bias_hh_l0.zero_()
    x = torch.randn(B, T, I, dtype=dtype)
    ours_x, their_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    state = cell.initial_state(B, dtype=dtype)
    hidden = []
    for t in range(T):
        state = cell(ours_x[:, t], state)
        hidden.append(state[0])
    ours = torch.stack(hidden, dim=1)
    expected, (_, c_n) = theirs(their_x)
    weights = torch.randn_like(expected)
    (ours * weights).sum().backward()
    (expected * weights).sum().backward()

    bound = 1e-12 if dtype is torch.float64 else 1e-5  # a few hundred roundings of the type's precision
    pairs = [
        (ours, expected),
        (state[1], c_n[0]),
        (ours_x.grad, their_x.grad),
        (cell.W.weight.grad[:, :H], theirs.weight_hh_l0.grad),
        (cell.W.weight.grad[:, H:], theirs.weight_ih_l0.grad),
        (cell.W.bias.grad, theirs.bias_ih_l0.grad),
    ]
    for got, want in pairs:
        assert (got - want).norm() / want.norm() < bound


def test_only_the_forget_bias_is_set_and_the_rest_starts_as_nn_linear():
    torch.manual_seed(3)
    cell = LSTMCell(2, 5, forget_bias=-1.5)
    torch.manual_seed(3)
    plain = nn.Linear(7, 20)
    assert torch.equal(cell.W.weight, plain.weight)
    assert cell.W.bias[5:10].tolist() == [-1.5] * 5
    rest = [k for k in range(20) if not 5 <= k < 10]
    assert torch.equal(cell.W.bias[rest], plain.bias[rest])
    assert [name for name, _ in cell.named_parameters()] == ["W.weight", "W.bias"]


@pytest.mark.parametrize("bias", ["1", None, True])
def test_a_forget_bias_that_is_no_number_is_refused(bias):
    with pytest.raises(ValueError, match="forget_bias must be a number"):
        LSTMCell(2, 3, forget_bias=bias)
