import math

import pytest
import torch
from torch import nn

from longlag.cells import GRUCell


def test_a_step_by_hand():
    """H=1, I=1, every weight and bias a number of its own; the arithmetic is written out with math alone."""
    cell = GRUCell(1, 1).double()
    with torch.no_grad():
        cell.W.weight.copy_(torch.tensor([[0.1, 0.2], [0.3, 0.4]]))  # rows r, z; columns h, x
        cell.W.bias.copy_(torch.tensor([0.01, 0.02]))
        for layer, weight, bias in ((cell.U, 0.5, 0.03), (cell.V, 0.6, 0.04)):
            layer.weight.fill_(weight)
            layer.bias.fill_(bias)
    x, h = 0.9, -0.5

    def logistic(v):
        return 1 / (1 + math.exp(-v))

    r = logistic(0.1 * h + 0.2 * x + 0.01)
    z = logistic(0.3 * h + 0.4 * x + 0.02)
    n = math.tanh(0.5 * x + 0.03 + r * (0.6 * h + 0.04))
    state = torch.tensor([[h]], dtype=torch.float64)
    got, again = cell(torch.tensor([[x]], dtype=torch.float64), (state, state))
    assert got is again
    # the weights of W went through float32, so the figures agree to its precision
    assert got.item() == pytest.approx(z * h + (1 - z) * n, rel=1e-7)


def test_gradcheck():
    torch.manual_seed(0)
    cell = GRUCell(2, 3).double()
    inputs = [torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (2, 3)]
    assert torch.autograd.gradcheck(lambda x, h: cell(x, (h, h))[0], inputs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("B", "T", "I", "H"), [(3, 7, 2, 5), (1, 4, 6, 1)])
def test_parity_with_torch(dtype, B, T, I, H):  # noqa: E741 -- the field's names
    """Values and gradients of a whole sequence equal those of torch.nn.GRU with the same weights."""
    torch.manual_seed(0)
    cell = GRUCell(I, H).to(dtype)
    theirs = nn.GRU(I, H, batch_first=True).to(dtype)
    with torch.no_grad():  # torch packs r, z, n
        theirs.weight_hh_l0.copy_(torch.cat([cell.W.weight[:, :H], cell.V.weight]))
        theirs.weight_ih_l0.copy_(torch.cat([cell.W.weight[:, H:], cell.U.weight]))
        theirs.bias_ih_l0.copy_(torch.cat([cell.W.bias, cell.U.bias]))
        theirs.bias_hh_l0.copy_(torch.cat([torch.zeros(2 * H, dtype=dtype), cell.V.bias]))
    x = torch.randn(B, T, I, dtype=dtype)
    ours_x, their_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    state = cell.initial_state(B, dtype=dtype)
    hidden = []
    for t in range(T):
        state = cell(ours_x[:, t], state)
        hidden.append(state[0])
    ours = torch.stack(hidden, dim=1)
    expected, _ = theirs(their_x)
    weights = torch.randn_like(expected)
    (ours * weights).sum().backward()
    (expected * weights).sum().backward()
    bound = 1e-12 if dtype is torch.float64 else 1e-5  # a few hundred roundings of the type's precision
    pairs = [
        (ours, expected),
        (ours_x.grad, their_x.grad),
        (torch.cat([cell.W.weight.grad[:, :H], cell.V.weight.grad]), theirs.weight_hh_l0.grad),
        (torch.cat([cell.W.weight.grad[:, H:], cell.U.weight.grad]), theirs.weight_ih_l0.grad),
        (torch.cat([cell.W.bias.grad, cell.U.bias.grad]), theirs.bias_ih_l0.grad),
        (cell.V.bias.grad, theirs.bias_hh_l0.grad[2 * H :]),
    ]
    for got, want in pairs:
        assert (got - want).norm() / want.norm() < bound


def test_it_has_as_many_weights_as_torch_less_the_bias_that_torch_has_twice():
    ours, theirs = (sum(p.numel() for p in module.parameters()) for module in (GRUCell(3, 5), nn.GRU(3, 5)))
    assert ours == theirs - 2 * 5
