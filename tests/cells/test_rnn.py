import math

import pytest
import torch
from torch import nn

from longlag.cells import RNNCell
from longlag.engine.eager import unroll


def test_a_step_by_hand():
    cell = RNNCell(1, 1).double()
    with torch.no_grad():
        cell.W.weight.copy_(torch.tensor([[0.25, -0.5]]))
        cell.W.bias.fill_(0.125)  # all three are exact in float32
    h, c = cell(torch.tensor([[2.0]]).double(), (torch.tensor([[0.5]]).double(), None))
    assert h.item() == pytest.approx(math.tanh(0.25 * 0.5 - 0.5 * 2.0 + 0.125), rel=1e-15, abs=0)
    assert c is h


def test_gradcheck():
    torch.manual_seed(0)
    cell = RNNCell(2, 3).double()
    inputs = [torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (2, 3)]
    assert torch.autograd.gradcheck(lambda x, h: cell(x, (h, h))[0], inputs)


def test_parity_with_torch():
    torch.manual_seed(0)
    cell = RNNCell(2, 5).double()
    theirs = nn.RNN(2, 5, batch_first=True).double()
    with torch.no_grad():
        theirs.weight_hh_l0.copy_(cell.W.weight[:, :5])
        theirs.weight_ih_l0.copy_(cell.W.weight[:, 5:])
        theirs.bias_ih_l0.copy_(cell.W.bias)
        theirs.bias_hh_l0.zero_()
    x = torch.randn(3, 7, 2, dtype=torch.float64)
    ours_x, their_x = x.clone().requires_grad_(), x.clone().requires_grad_()
    ours, _ = unroll(cell, ours_x)
    expected, _ = theirs(their_x)
    torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-14)
    ours.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(ours_x.grad, their_x.grad, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(cell.W.bias.grad, theirs.bias_ih_l0.grad, rtol=1e-12, atol=1e-14)


def test_the_weights_start_as_nn_linear():
    torch.manual_seed(3)
    cell = RNNCell(2, 5)
    torch.manual_seed(3)
    plain = nn.Linear(7, 5)
    assert torch.equal(cell.W.weight, plain.weight)
    assert torch.equal(cell.W.bias, plain.bias)
