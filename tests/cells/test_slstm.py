import copy
import math
from decimal import Decimal, localcontext

import pytest
import torch
from by_hand import logistic

from longlag.cells.init import Chrono, Staggered, Uniform
from longlag.cells.slstm import SLSTMCell
from longlag.engine.eager import unroll

#: Biases of i and f, and the weight with which the first input, +1 or −1, pulls at both of them.
MODERATE = (0.3, 1.0, 0.0)
EXTREME = [(i, f, 0.0) for i in (-50.0, 50.0) for f in (-50.0, 50.0)] + [(0.0, 0.0, 50.0)]
BEYOND = [(i, f, 0.0) for i in (-500.0, 500.0) for f in (-500.0, 500.0)] + [(0.0, 0.0, 500.0)]


def made(gates, H=4, heads=1, seed=0):
    """A float64 cell whose weights and inputs are numbers of float32."""
    torch.manual_seed(seed)
    cell = SLSTMCell(2, H, heads=heads)
    i, f, pull = gates
    cell.gate_bias("i").fill_(i)
    cell.gate_bias("f").fill_(f)
    if pull:
        with torch.no_grad():
            cell.W.weight[: 2 * H, H // heads] = pull
    x = torch.randn(2, 30, 2)
    x[..., 0] = x[..., 0].sign()
    return cell.double(), x.double()


def unstabilised(cell, x):
    """Section 2.2 of the paper for one sequence [T, I] in numbers of 60 digits and any exponent, as it stands."""

    def exact(tensor):
        return [[Decimal(v) for v in row] for row in tensor.tolist()]

    W, b, x = exact(cell.W.weight), exact(cell.W.bias[None])[0], exact(x)
    H, d = cell.hidden_size, cell.hidden_size // cell.heads
    h, c, n = ([Decimal(0)] * H for _ in range(3))
    hidden = []
    for x_t in x:
        new = list(h)
        for j in range(H):
            own = h[j // d * d : j // d * d + d]
            i, f, g, o = (
                sum((w * v for w, v in zip(W[row], own + x_t, strict=True)), b[row]) for row in range(j, 4 * H, H)
            )
            i, f, o = i.exp(), 1 / (1 + (-f).exp()), 1 / (1 + (-o).exp())
            z = ((2 * g).exp() - 1) / ((2 * g).exp() + 1)
            c[j] = f * c[j] + i * z
            n[j] = f * n[j] + i
            new[j] = o * c[j] / n[j]
        h = new
        hidden.append([float(v) for v in h])
    return torch.tensor(hidden, dtype=torch.float64)


def test_a_step_by_hand():
    """H=1, I=1, every weight and bias a number of its own; the arithmetic is written out with math alone."""
    cell = SLSTMCell(1, 1).double()
    with torch.no_grad():
        weight = [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8]]  # rows i, f, g, o; columns h, x
        cell.W.weight.copy_(torch.tensor(weight, dtype=torch.float64))
        cell.W.bias.copy_(torch.tensor([0.01, 0.02, 0.03, 0.04], dtype=torch.float64))
    x, h, c, n, m = 0.9, -0.5, 1.5, 1.7, 0.3
    i = 0.1 * h + 0.2 * x + 0.01
    log_f = math.log(logistic(0.3 * h + 0.4 * x + 0.02))
    z = math.tanh(0.5 * h + 0.6 * x + 0.03)
    o = logistic(0.7 * h + 0.8 * x + 0.04)
    m_new = max(log_f + m, i)
    c_new = math.exp(log_f + m - m_new) * c + math.exp(i - m_new) * z
    n_new = math.exp(log_f + m - m_new) * n + math.exp(i - m_new)
    x, h, c, n, m = (torch.tensor([[v]], dtype=torch.float64) for v in (x, h, c, n, m))
    h_got, c_got = cell(x, (h, (c, n, m)))
    assert [v.item() for v in c_got] == pytest.approx([c_new, n_new, m_new], rel=1e-14)
    assert h_got.item() == pytest.approx(o * c_new / n_new, rel=1e-14)
    gates = cell.gates(x, (h, (c, n, m)))
    assert list(gates) == ["i", "f", "o"]
    assert [v.item() for v in gates.values()] == pytest.approx([math.exp(i - m_new), math.exp(log_f), o], rel=1e-14)


@pytest.mark.parametrize("T", [1, 2, 30])
@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("gates", [MODERATE, *EXTREME])
def test_it_is_the_unstabilised_equations(gates, heads, T):
    """Exponents of up to 30 · 50, of which a double knows the last 1e-13; each unit by itself, no norm over them."""
    cell, x = made(gates, heads=heads)
    with torch.no_grad():
        got, _ = unroll(cell, x[:, :T])
    with localcontext() as context:
        context.prec = 60
        expected = torch.stack([unstabilised(cell, sequence[:T]) for sequence in x])
    torch.testing.assert_close(got, expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("gates", [MODERATE, *EXTREME])
def test_float32_stays_near_float64(gates):
    """The pre-activations around 50 are rounded to 4e-6 in float32, and so are the ratios of what they weigh."""
    cell, x = made(gates)
    with torch.no_grad():
        expected, _ = unroll(cell, x)
        got, _ = unroll(copy.deepcopy(cell).float(), x.float())
    off = (got.double() - expected).norm(dim=-1) / expected.norm(dim=-1)  # each step by itself
    assert off.max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gates", [*EXTREME, *BEYOND])
def test_extreme_gates_leave_values_and_gradients_finite(gates, dtype):
    cell, x = made(gates)
    cell, x = cell.to(dtype), x.to(dtype).requires_grad_()
    hidden, state = unroll(cell, x)
    weights = torch.randn_like(hidden)
    gradients = torch.autograd.grad((hidden * weights).sum(), [x, *cell.parameters()])
    for part in (hidden, *state[1], *gradients):
        assert part.isfinite().all()
    assert (state[1][1] >= 1).all()  # so the quotient is never 0/0
    assert gradients[0][:, -1].abs().max() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [-500.0, -90.0, -50.0, 0.0, 50.0, 500.0])
def test_the_first_step_does_not_depend_on_the_input_gate(bias, dtype):
    """c' / n' = i tanh(g) / i, though exp(−500) is 0 in float32."""
    cell, x = made((bias, 1.0, 0.0))
    cell, x = cell.to(dtype), x[:, 0].to(dtype)
    state = cell.initial_state(2, dtype=dtype)
    h, (c, n, m) = cell(x, state)
    i, _, g, o = cell.W(torch.cat([state[0], x], dim=-1)).chunk(4, dim=-1)
    assert torch.equal(n, torch.ones_like(n))
    assert torch.equal(c, torch.tanh(g))
    assert torch.equal(m, i)
    torch.testing.assert_close(h, torch.sigmoid(o) * torch.tanh(g), rtol=1e-15, atol=0)
    assert torch.equal(cell.gates(x, state)["i"], torch.ones_like(i))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_state_starts_empty_and_finite(dtype):
    h, (c, n, m) = SLSTMCell(2, 3).initial_state(5, dtype=dtype)
    for part in (h, c, n, m):
        assert part.shape == (5, 3)
        assert part.dtype is dtype
        assert part.isfinite().all()
    assert not h.any()
    assert not c.any()
    assert not n.any()
    assert (m.exp() == 0).all()


@pytest.mark.parametrize("heads", [1, 2])
def test_gradcheck(heads):
    """After three steps, where the two sides of the max differ; over the input, the state and the parameters."""
    cell, x = made(MODERATE, heads=heads)
    with torch.no_grad():
        _, (h, c) = unroll(cell, x[:, :3])
    names = [name for name, _ in cell.named_parameters()]
    inputs = [part.detach().clone().requires_grad_() for part in (x[:, 3], h, *c, *cell.parameters())]

    def step(x, h, c, n, m, *weights):
        h, c = torch.func.functional_call(cell, dict(zip(names, weights, strict=True)), (x, (h, (c, n, m))))
        return h, *c

    assert torch.autograd.gradcheck(step, inputs)


def test_a_head_does_not_see_the_others():
    cell, x = made(MODERATE, H=6, heads=3)
    with torch.no_grad():
        _, (h, c) = unroll(cell, x[:1, :3])
    jacobian = torch.autograd.functional.jacobian(lambda h: cell(x[:1, 3], (h, c))[0], h)[0, :, 0]  # [H', H]
    same = torch.arange(6)[:, None] // 2 == torch.arange(6) // 2
    assert (jacobian[~same] == 0).all()
    assert (jacobian[same] != 0).all()


def test_heads_are_a_dense_cell_with_block_diagonal_recurrent_weights():
    cell, x = made(MODERATE, H=6, heads=3)
    dense = SLSTMCell(2, 6).double()
    with torch.no_grad():
        dense.W.weight.zero_()
        for row in range(24):
            head = row % 6 // 2
            dense.W.weight[row, 2 * head : 2 * head + 2] = cell.W.weight[row, :2]
            dense.W.weight[row, 6:] = cell.W.weight[row, 2:]
        dense.W.bias.copy_(cell.W.bias)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    results = [unroll(which, given)[0] for which, given in zip((cell, dense), inputs, strict=True)]
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-14)  # the products are summed in another order
    gradients = [torch.autograd.grad(h.square().sum(), given)[0] for h, given in zip(results, inputs, strict=True)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_the_number_of_weights(heads):
    I, H = 3, 8  # noqa: E741
    cell = SLSTMCell(I, H, heads=heads)
    assert sum(p.numel() for p in cell.parameters()) == 4 * H * (H // heads + I + 1)


def test_an_open_forget_gate_and_a_shut_input_gate_carry_the_memory():
    cell, x = made(MODERATE)
    with torch.no_grad():
        _, (h, (c, n, m)) = unroll(cell, x[:, :3])
    cell.gate_bias("f").fill_(50.0)
    cell.gate_bias("i").fill_(-50.0)
    c.requires_grad_()
    _, end = unroll(cell, x[:, 3:].repeat(1, 3, 1), (h, (c, n, m)))
    weights = torch.randn_like(c)
    (gradient,) = torch.autograd.grad((cell.memory(end) * weights).sum(), c)
    # exp(−50 − m) comes in with every step, and the error takes the same way through the gates
    torch.testing.assert_close(cell.memory(end), c, rtol=0, atol=1e-15)
    torch.testing.assert_close(gradient, weights, rtol=0, atol=1e-15)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("bias", [-1.0, 0.0, 3.0])
def test_without_input_the_forget_gate_starts_at_its_bias(bias, heads):
    cell = SLSTMCell(2, 4, forget_bias=bias, heads=heads).double()
    gate = cell.gates(torch.zeros(1, 2).double(), cell.initial_state(1, dtype=torch.float64))["f"]
    assert gate.tolist() == [pytest.approx([logistic(bias)] * 4, rel=1e-15)]
    assert cell.gate_bias("f").tolist() == [bias] * 4
    assert cell.gate_bias("f").data_ptr() == cell.W.bias[4:].data_ptr()


@pytest.mark.parametrize("heads", [1, 2])
def test_other_starts_of_the_forget_gate(heads):
    torch.manual_seed(0)
    cell = SLSTMCell(2, 4, heads=heads).double()

    def gate():
        return cell.gates(torch.zeros(1, 2).double(), cell.initial_state(1, dtype=torch.float64))["f"][0]

    Staggered(0.5, 2.0)(cell)
    assert gate().tolist() == pytest.approx([logistic(b) for b in (0.5, 1.0, 1.5, 2.0)], rel=1e-15)
    assert cell.gate_bias("i").tolist() == cell.gate_bias("o").tolist() == [-0.5, -1.0, -1.5, -2.0]
    Chrono(100)(cell)
    bias = torch.logit(gate())
    assert ((bias >= 0) & (bias <= math.log(99))).all()
    assert len(set(bias.tolist())) == 4
    torch.testing.assert_close(cell.gate_bias("i"), -bias)
    Uniform()(cell)
    assert ((gate() >= 0.25 - 1e-6) & (gate() <= 0.75 + 1e-6)).all()  # drawn in float32
    assert len(set(gate().tolist())) == 4


@pytest.mark.parametrize("bias", ["1", None, True])
def test_a_forget_bias_that_is_no_number_is_refused(bias):
    with pytest.raises(ValueError, match="forget_bias must be a number"):
        SLSTMCell(2, 4, forget_bias=bias)


@pytest.mark.parametrize("heads", [0, -1, 2.0, "2", True, None])
def test_a_number_of_heads_that_is_no_positive_integer_is_refused(heads):
    with pytest.raises(ValueError, match="heads must be a positive integer"):
        SLSTMCell(2, 4, heads=heads)


def test_heads_that_do_not_divide_the_units_are_refused():
    with pytest.raises(ValueError, match="hidden_size must be a multiple of heads=4, got 10"):
        SLSTMCell(2, 10, heads=4)
