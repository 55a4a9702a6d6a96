import pytest
import torch
from torch import nn

from longlag.cells import IRNNCell


def test_it_starts_as_the_identity():
    """A positive state is kept but for the small input weights, and the error flows back unchanged."""
    torch.manual_seed(0)
    cell = IRNNCell(4, 200)
    assert torch.equal(cell.W.weight[:, :200], torch.eye(200))
    assert not cell.W.bias.any()
    inputs = cell.W.weight[:, 200:]
    assert inputs.std().item() == pytest.approx(0.001, rel=0.15)  # five standard errors of 800 weights
    assert abs(inputs.mean().item()) < 5 * 0.001 / 800**0.5
    h = torch.rand(3, 200, requires_grad=True)
    kept, again = cell(torch.zeros(3, 4), (h, h))
    assert kept is again
    torch.testing.assert_close(kept, h)
    (gradient,) = torch.autograd.grad(kept.sum(), h)
    assert torch.equal(gradient, torch.ones_like(h))


def test_a_step_by_hand():
    cell = IRNNCell(1, 2)
    with torch.no_grad():
        cell.W.weight.copy_(torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.25, -4.0]]))
        cell.W.bias.copy_(torch.tensor([0.25, 0.5]))
    h, _ = cell(torch.tensor([[0.5]]), (torch.tensor([[1.0, 0.5]]),) * 2)
    assert h.tolist() == [[0.5 - 0.5 + 1.0 + 0.25, 0.0]]  # the second is 1 + 0.125 − 2 + 0.5, below zero


def test_gradcheck():
    torch.manual_seed(0)
    cell = IRNNCell(2, 3).double()
    with torch.no_grad():
        cell.W.weight.normal_(0, 0.5)
    inputs = [torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (2, 3)]
    assert torch.autograd.gradcheck(lambda x, h: cell(x, (h, h))[0], inputs)


def test_parity_with_torch():
    torch.manual_seed(0)
    cell = IRNNCell(2, 5).double()
    theirs = nn.RNN(2, 5, nonlinearity="relu", batch_first=True).double()
    with torch.no_grad():
        cell.W.weight.normal_(0, 0.4)
        theirs.weight_hh_l0.copy_(cell.W.weight[:, :5])
        theirs.weight_ih_l0.copy_(cell.W.weight[:, 5:])
        theirs.bias_ih_l0.copy_(cell.W.bias)
        theirs.bias_hh_l0.zero_()
    x = torch.randn(3, 7, 2, dtype=torch.float64)
    state = cell.initial_state(3, dtype=torch.float64)
    hidden = []
    for t in range(7):
        state = cell(x[:, t], state)
        hidden.append(state[0])
    ours, (expected, _) = torch.stack(hidden, dim=1), theirs(x)
    assert (ours - expected).norm() / expected.norm() < 1e-12
