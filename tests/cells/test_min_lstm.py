import pytest
import torch
from by_hand import logistic
from torch.func import functional_call

from longlag.cells.init import Chrono, Staggered, Uniform
from longlag.cells.min_lstm import MinLSTMCell


def forget_gate(cell, B=2):
    """The normalised forget gate with no input."""
    dtype = cell.W.weight.dtype
    return cell.gates(torch.zeros(B, cell.input_size, dtype=dtype), cell.initial_state(B, dtype=dtype))["f"]


def test_a_step_by_hand():
    """H=1, I=1, every weight and bias a number of its own; the arithmetic is written out with math alone."""
    cell = MinLSTMCell(1, 1).double()
    with torch.no_grad():
        cell.W.weight.copy_(torch.tensor([[0.1], [0.2], [0.3]]))  # rows i, f, g
        cell.W.bias.copy_(torch.tensor([0.01, 0.02, 0.03]))
    x, h = 0.9, -0.5
    i = logistic(0.1 * x + 0.01)
    f = logistic(0.2 * x + 0.02)
    g = 0.3 * x + 0.03
    state = torch.tensor([[h]], dtype=torch.float64)
    got, again = cell(torch.tensor([[x]], dtype=torch.float64), (state, state))
    assert got is again
    # the weights went through float32, so the figures agree to its precision
    assert got.item() == pytest.approx(f / (f + i) * h + i / (f + i) * g, rel=1e-7)
    gates = cell.gates(torch.tensor([[x]], dtype=torch.float64), (state, state))
    assert gates["f"].item() == pytest.approx(f / (f + i), rel=1e-7)
    assert gates["i"].item() == pytest.approx(i / (f + i), rel=1e-7)


def test_gradcheck():
    torch.manual_seed(0)
    cell = MinLSTMCell(2, 3).double()
    inputs = [torch.randn(4, n, dtype=torch.float64, requires_grad=True) for n in (2, 3)]
    weights = dict(cell.named_parameters())
    assert torch.autograd.gradcheck(
        lambda x, h, *values: functional_call(cell, dict(zip(weights, values, strict=True)), (x, (h, h)))[0],
        (*inputs, *weights.values()),
    )


@pytest.mark.parametrize("bias", [-1, 0, 1.0, 3, 50, -50])
def test_the_normalised_forget_gate_starts_as_the_logistic_of_the_forget_bias(bias):
    gate = forget_gate(MinLSTMCell(2, 3, forget_bias=bias).double())
    # σ of a number with a rounding or two in it: |b| ≤ 50 times the precision of float64
    torch.testing.assert_close(gate, torch.full_like(gate, logistic(bias)), rtol=5e-14, atol=0)


@pytest.mark.parametrize("init", [Chrono(100), Uniform(), Staggered(-1.0, 2.0)], ids=lambda init: type(init).__name__)
def test_other_ways_to_start_set_the_normalised_gate_too(init):
    torch.manual_seed(0)
    cell = MinLSTMCell(2, 50).double()
    init(cell)
    bias = cell.gate_bias("f")
    assert len(bias.unique()) > 40  # one each
    assert torch.equal(cell.gate_bias("i"), -bias)
    torch.testing.assert_close(forget_gate(cell)[0], torch.sigmoid(bias), rtol=1e-14, atol=0)


def test_uniform_gates_are_uniform_after_normalisation():
    torch.manual_seed(0)
    cell = MinLSTMCell(2, 1000)
    Uniform()(cell)
    gate = forget_gate(cell)[0].sort().values
    assert (gate - torch.arange(1000) / 1000).abs().max() < 0.06  # Kolmogorov-Smirnov: 1.95/√1000, passed by 99.9 %


@pytest.mark.parametrize(("f", "i"), [(f, i) for f in (50, -50, 1e4, -1e4) for i in (50, -50, 1e4, -1e4)])
def test_gates_far_out_are_finite_in_float32_and_add_up_to_one(f, i):
    cell = MinLSTMCell(1, 1)
    with torch.no_grad():
        cell.gate_bias("f").fill_(f)
        cell.gate_bias("i").fill_(i)
    x = torch.zeros(1, 1, requires_grad=True)
    h = torch.ones(1, 1, requires_grad=True)
    gates = cell.gates(x, (h, h))
    assert (gates["f"] + gates["i"]).item() == 1.0
    # σ(f)/(σ(f)+σ(i)): a half if both are 1 or both vanish alike, else what vanishes less wins
    ratio = min(f, 0) - min(i, 0)
    assert gates["f"].item() == pytest.approx(0.5 if ratio == 0 else float(ratio > 0), abs=1e-6)
    gradients = torch.autograd.grad(cell(x, (h, h))[0].sum(), [x, h, *cell.parameters()])
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_an_open_gate_carries_the_memory():
    torch.manual_seed(0)
    cell = MinLSTMCell(2, 3).double()
    with torch.no_grad():
        cell.gate_bias("f").fill_(50.0)
        cell.gate_bias("i").fill_(-50.0)
    start = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    h = start
    for _ in range(60):
        h, _ = cell(torch.randn(4, 2, dtype=torch.float64), (h, h))
    (gradient,) = torch.autograd.grad(h.sum(), start)
    torch.testing.assert_close(h, start, rtol=0, atol=1e-9)
    torch.testing.assert_close(gradient, torch.ones_like(gradient), rtol=0, atol=1e-9)


def test_the_gates_lie_where_they_are_said_to():
    cell = MinLSTMCell(2, 5, forget_bias=3)
    assert cell.W.bias[:10].tolist() == [-3.0] * 5 + [3.0] * 5
    assert sum(p.numel() for p in cell.parameters()) == 15 * 2 + 15


@pytest.mark.parametrize("bias", ["1", None, True])
def test_a_forget_bias_that_is_no_number_is_refused(bias):
    with pytest.raises(ValueError, match="forget_bias must be a number"):
        MinLSTMCell(2, 3, forget_bias=bias)


@pytest.mark.parametrize("size", [0, 2.0, True])
def test_a_size_that_is_no_positive_integer_is_refused(size):
    with pytest.raises(ValueError, match="hidden_size must be a positive integer"):
        MinLSTMCell(2, size)
