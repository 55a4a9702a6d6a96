import pytest
import torch
from by_hand import logistic
from torch.func import functional_call

from longlag.cells.init import Chrono, Staggered, Uniform
from longlag.cells.min_gru import MinGRUCell


def forget_gate(cell, B=2):
    """The forget gate with no input."""
    dtype = cell.W.weight.dtype
    return cell.gates(torch.zeros(B, cell.input_size, dtype=dtype), cell.initial_state(B, dtype=dtype))["f"]


def test_a_step_by_hand():
    """H=1, I=1, every weight and bias a number of its own; z is the gate as the paper writes it, with −W and −b."""
    cell = MinGRUCell(1, 1).double()
    with torch.no_grad():
        cell.W.weight.copy_(torch.tensor([[0.1], [0.2]]))  # rows f, g
        cell.W.bias.copy_(torch.tensor([0.01, 0.02]))
    x, h = 0.9, -0.5
    z = logistic(-0.1 * x - 0.01)
    g = 0.2 * x + 0.02
    state = torch.tensor([[h]], dtype=torch.float64)
    got, again = cell(torch.tensor([[x]], dtype=torch.float64), (state, state))
    assert got is again
    # the weights went through float32, so the figures agree to its precision
    assert got.item() == pytest.approx((1 - z) * h + z * g, rel=1e-7)


def test_gradcheck():
    torch.manual_seed(0)
    cell = MinGRUCell(2, 3).double()
    inputs = [torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (2, 3)]
    weights = dict(cell.named_parameters())
    assert torch.autograd.gradcheck(
        lambda x, h, *values: functional_call(cell, dict(zip(weights, values, strict=True)), (x, (h, h)))[0],
        (*inputs, *weights.values()),
    )


@pytest.mark.parametrize("bias", [-1, 0, 1.0, 3, 50, -50])
def test_the_forget_gate_starts_as_the_logistic_of_the_forget_bias(bias):
    gate = forget_gate(MinGRUCell(2, 3, forget_bias=bias).double())
    torch.testing.assert_close(gate, torch.full_like(gate, logistic(bias)), rtol=1e-14, atol=0)


@pytest.mark.parametrize("init", [Chrono(100), Uniform(), Staggered(-1.0, 2.0)], ids=lambda init: type(init).__name__)
def test_other_ways_to_start(init):
    torch.manual_seed(0)
    cell = MinGRUCell(2, 50).double()
    init(cell)
    bias = cell.gate_bias("f")
    assert len(bias.unique()) > 40  # one each
    torch.testing.assert_close(forget_gate(cell)[0], torch.sigmoid(bias), rtol=1e-14, atol=0)


@pytest.mark.parametrize("f", [50.0, -50.0, 1e4, -1e4])
def test_gates_far_out_are_finite_in_float32(f):
    cell = MinGRUCell(1, 1, forget_bias=f)
    x, h = torch.zeros(1, 1, requires_grad=True), torch.ones(1, 1, requires_grad=True)
    assert cell.gates(x, (h, h))["f"].item() == pytest.approx(float(f > 0), abs=1e-6)
    gradients = torch.autograd.grad(cell(x, (h, h))[0].sum(), [x, h, *cell.parameters()])
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_an_open_gate_carries_the_memory():
    torch.manual_seed(0)
    cell = MinGRUCell(2, 3, forget_bias=50.0).double()
    start = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    h = start
    for _ in range(60):
        h, _ = cell(torch.randn(4, 2, dtype=torch.float64), (h, h))
    (gradient,) = torch.autograd.grad(h.sum(), start)
    torch.testing.assert_close(h, start, rtol=0, atol=1e-9)
    torch.testing.assert_close(gradient, torch.ones_like(gradient), rtol=0, atol=1e-9)


def test_the_forget_bias_is_the_whole_bias_of_the_forget_gate():
    cell = MinGRUCell(2, 5, forget_bias=3)
    assert cell.W.bias[:5].tolist() == [3.0] * 5
    assert sum(p.numel() for p in cell.parameters()) == 10 * 2 + 10


@pytest.mark.parametrize("bias", ["1", None, True])
def test_a_forget_bias_that_is_no_number_is_refused(bias):
    with pytest.raises(ValueError, match="forget_bias must be a number"):
        MinGRUCell(2, 3, forget_bias=bias)


@pytest.mark.parametrize("size", [0, 2.0, True])
def test_a_size_that_is_no_positive_integer_is_refused(size):
    with pytest.raises(ValueError, match="hidden_size must be a positive integer"):
        MinGRUCell(2, size)
