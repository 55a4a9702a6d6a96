import math

import pytest
import torch

from longlag.cells import CoupledLSTMCell, LSTMCell


def test_a_step_by_hand():
    """H=1, I=1, every weight and bias a number of its own; the arithmetic is written out with math alone."""
    cell = CoupledLSTMCell(1, 1).double()
    with torch.no_grad():
        cell.W.weight.copy_(torch.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]))  # rows f, g, o
        cell.W.bias.copy_(torch.tensor([0.01, 0.02, 0.03]))
    x, h, c = 0.9, -0.5, 1.5

    def logistic(z):
        return 1 / (1 + math.exp(-z))

    f = logistic(0.1 * h + 0.2 * x + 0.01)
    g = math.tanh(0.3 * h + 0.4 * x + 0.02)
    o = logistic(0.5 * h + 0.6 * x + 0.03)
    c_new = f * c + (1 - f) * g
    got = cell(
        *(torch.tensor([[v]], dtype=torch.float64) for v in (x,)), tuple(torch.tensor([[v]]).double() for v in (h, c))
    )
    # the weights went through float32, so the figures agree to its precision
    assert got[0].item() == pytest.approx(o * math.tanh(c_new), rel=1e-7)
    assert got[1].item() == pytest.approx(c_new, rel=1e-7)


def test_it_is_the_lstm_with_the_pre_activation_of_the_input_gate_negated():
    """1 − σ(f) = σ(−f): values and gradients of a step equal those of an LSTM with i = −f."""
    torch.manual_seed(0)
    cell, lstm = CoupledLSTMCell(2, 3, forget_bias=0.5).double(), LSTMCell(2, 3).double()
    with torch.no_grad():
        for ours, theirs in ((cell.W.weight, lstm.W.weight), (cell.W.bias, lstm.W.bias)):
            f, g, o = ours.chunk(3)
            theirs.copy_(torch.cat([-f, f, g, o]))
    inputs = [torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (2, 3, 3)]
    results = [made(inputs[0], (inputs[1], inputs[2])) for made in (cell, lstm)]
    torch.testing.assert_close(results[0], results[1], rtol=1e-13, atol=1e-14)
    gradients = [torch.autograd.grad(h.sum() + (c * c).sum(), inputs) for h, c in results]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-12, atol=1e-14)


def test_gradcheck():
    torch.manual_seed(0)
    cell = CoupledLSTMCell(2, 3).double()
    inputs = [torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (2, 3, 3)]
    assert torch.autograd.gradcheck(lambda x, h, c: cell(x, (h, c)), inputs)


def test_the_forget_bias_is_the_whole_bias_of_the_forget_gate():
    cell = CoupledLSTMCell(2, 5, forget_bias=3)
    assert cell.W.bias[:5].tolist() == [3.0] * 5
    assert cell.W.out_features == 15


@pytest.mark.parametrize("bias", ["1", None, True])
def test_a_forget_bias_that_is_no_number_is_refused(bias):
    with pytest.raises(ValueError, match="forget_bias must be a number"):
        CoupledLSTMCell(2, 3, forget_bias=bias)
