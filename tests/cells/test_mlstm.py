import copy
import math
from decimal import Decimal, localcontext

import pytest
import torch
from by_hand import logistic
from torch.nn.functional import logsigmoid

from longlag.cells.init import Chrono, Staggered, Uniform
from longlag.cells.mlstm import MLSTMCell
from longlag.engine.eager import unroll

#: Biases of i and f, and the weight with which the first input, +1 or −1, pulls at both of them.
MODERATE = (0.3, 1.0, 0.0)
EXTREME = [(i, f, 0.0) for i in (-50.0, 50.0) for f in (-50.0, 50.0)] + [(0.0, 0.0, 50.0)]
BEYOND = [(i, f, 0.0) for i in (-500.0, 500.0) for f in (-500.0, 500.0)] + [(0.0, 0.0, 500.0)]


def made(gates, H=4, heads=2, seed=0):
    """A float64 cell whose weights and inputs are numbers of float32."""
    torch.manual_seed(seed)
    cell = MLSTMCell(2, H, heads=heads)
    i, f, pull = gates
    cell.gate_bias("i").fill_(i)
    cell.gate_bias("f").fill_(f)
    if pull:
        with torch.no_grad():
            cell.W.weight[: 2 * heads, 0] = pull
    x = torch.randn(2, 30, 2)
    x[..., 0] = x[..., 0].sign()
    return cell.double(), x.double()


def unstabilised(cell, x):
    """Section 2.3 of the paper for one sequence [T, I] in numbers of 60 digits and any exponent, as it stands."""

    def exact(tensor):
        return [[Decimal(v) for v in row] for row in tensor.tolist()]

    W, b, x = exact(cell.W.weight), exact(cell.W.bias[None])[0], exact(x)
    H, heads = cell.hidden_size, cell.heads
    d = H // heads
    root = Decimal(d).sqrt()
    C = [[[Decimal(0)] * d for _ in range(d)] for _ in range(heads)]
    n = [[Decimal(0)] * d for _ in range(heads)]
    hidden = []
    for x_t in x:
        units = [sum((w * v for w, v in zip(row, x_t, strict=True)), bias) for row, bias in zip(W, b, strict=True)]
        h = []
        for a in range(heads):
            i, f = units[a].exp(), 1 / (1 + (-units[heads + a]).exp())
            o, q, k, v = (units[2 * heads + part * H + a * d :][:d] for part in range(4))
            for r in range(d):
                n[a][r] = f * n[a][r] + i * k[r] / root
                for s in range(d):
                    C[a][r][s] = f * C[a][r][s] + i * v[r] * k[s] / root
            norm = max(abs(sum(n[a][s] * q[s] for s in range(d))), Decimal(1))
            h += [sum(C[a][r][s] * q[s] for s in range(d)) / norm / (1 + (-o[r]).exp()) for r in range(d)]
        hidden.append([float(v) for v in h])
    return torch.tensor(hidden, dtype=torch.float64)


def attention(cell, x):
    """The paper's parallel form, without a stabiliser: h = o ⊙ S v / max(|Σ S|, 1), S = (q kᵀ / √d) ⊙ D."""
    H, heads = cell.hidden_size, cell.heads
    units = x @ cell.W.weight.T + cell.W.bias  # [B, T, 2 heads + 4H]
    i, f = units[..., :heads].mT, units[..., heads : 2 * heads].mT  # [B, heads, T]
    o, q, k, v = (
        units[..., 2 * heads + part * H :][..., :H].unflatten(-1, (heads, -1)).transpose(1, 2) for part in range(4)
    )  # [B, heads, T, d]
    forgotten = logsigmoid(f).cumsum(-1)
    log_D = forgotten[..., :, None] - forgotten[..., None, :] + i[..., None, :]  # [B, heads, T, T]
    D = log_D.exp().tril()
    S = q @ k.mT / math.sqrt(H // heads) * D
    sums = S.sum(-1, keepdim=True)
    h = torch.sigmoid(o) * (S @ v) / sums.abs().clamp(min=1)
    return h.transpose(1, 2).flatten(-2), sums


@pytest.mark.parametrize(
    ("m", "n", "which"),
    [(1.4, (1.7, -1.6), "the normaliser"), (1.4, (0.1, 0.2), "the floor"), (0.4, (0.1, 0.2), "the floor")],
)
def test_a_step_by_hand(m, n, which):
    """H=2, I=1, one head, every weight and bias a number of its own; the arithmetic is written out with math alone."""
    cell = MLSTMCell(1, 2, heads=1).double()
    weight = [0.11, -0.23, 0.31, 0.43, 0.57, -0.61, 0.73, 0.83, 0.97, -1.01]  # rows i, f, o, q, k, v
    bias = [-0.2, 0.02, -0.03, 0.04, 0.05, 0.06, 0.07, -0.08, 0.09, 0.1]
    with torch.no_grad():
        cell.W.weight.copy_(torch.tensor(weight, dtype=torch.float64)[:, None])
        cell.W.bias.copy_(torch.tensor(bias, dtype=torch.float64))
    x, C = 0.9, [[0.5, -0.7], [1.1, 1.3]]
    i, f, *rest = (w * x + b for w, b in zip(weight, bias, strict=True))
    o, q, k, v = rest[:2], rest[2:4], rest[4:6], rest[6:]
    log_f = math.log(logistic(f))
    m_new = max(log_f + m, i, 0)
    keep, take = math.exp(log_f + m - m_new), math.exp(i - m_new)
    k = [u / math.sqrt(2) for u in k]
    C_new = [[keep * C[r][s] + take * v[r] * k[s] for s in range(2)] for r in range(2)]
    n_new = [keep * n[s] + take * k[s] for s in range(2)]
    normaliser, floor = abs(n_new[0] * q[0] + n_new[1] * q[1]), math.exp(-m_new)
    assert (normaliser > floor) == (which == "the normaliser")
    h_new = [logistic(o[r]) * (C_new[r][0] * q[0] + C_new[r][1] * q[1]) / max(normaliser, floor) for r in range(2)]

    C, n, m, x = (torch.tensor(part, dtype=torch.float64) for part in ([[C]], [[n]], [[m]], [[x]]))
    h_got, c_got = cell(x, (torch.zeros(1, 2).double(), (C, n, m)))
    for got, expected in zip((h_got, *c_got), ([h_new], [[C_new]], [[n_new]], [[m_new]]), strict=True):
        torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=1e-14, atol=1e-15)
    gates = cell.gates(x, (h_got, (C, n, m)))
    assert list(gates) == ["i", "f", "o"]
    assert gates["i"].tolist() == [[pytest.approx(take, rel=1e-14)]]
    assert gates["f"].tolist() == [[pytest.approx(logistic(f), rel=1e-14)]]
    assert gates["o"].tolist() == [pytest.approx([logistic(u) for u in o], rel=1e-14)]


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
    """Shut gates too: exp(−m) would overflow in float32 if the stabiliser followed them down to −500."""
    cell, x = made(gates)
    cell, x = cell.to(dtype), x.to(dtype).requires_grad_()
    hidden, state = unroll(cell, x)
    weights = torch.randn_like(hidden)
    gradients = torch.autograd.grad((hidden * weights).sum(), [x, *cell.parameters()])
    for part in (hidden, *state[1], *gradients):
        assert part.isfinite().all()
    assert (state[1][2] >= 0).all()
    if gates[0] > -500:  # exp(−500) is nothing in float32
        assert gradients[0][:, -1].abs().max() > 0


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_the_parallel_form(heads):
    """Values and gradients of a whole sequence are those of the masked attention over it, in either case of the max."""
    cell, x = made((0.0, 1.0, 0.0), H=8, heads=heads)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    got, _ = unroll(cell, inputs[0])
    expected, sums = attention(cell, inputs[1])
    assert 0.2 < (sums.abs() > 1).double().mean() < 0.8
    weights = torch.randn_like(got)
    gradients = [
        torch.autograd.grad((hidden * weights).sum(), [given, *cell.parameters()])
        for hidden, given in zip((got, expected), inputs, strict=True)
    ]
    for ours, theirs in ((got, expected), *zip(*gradients, strict=True)):
        assert (ours - theirs).norm() / theirs.norm() < 1e-12  # a few hundred roundings of the type's precision


def test_gradcheck():
    """After three steps, where no two of what is compared are equal; over the input, the state and the parameters."""
    cell, x = made(MODERATE)
    with torch.no_grad():
        _, (h, c) = unroll(cell, x[:, :3])
    names = [name for name, _ in cell.named_parameters()]
    inputs = [part.detach().clone().requires_grad_() for part in (x[:, 3], *c, *cell.parameters())]

    def step(x, C, n, m, *weights):
        after, c = torch.func.functional_call(cell, dict(zip(names, weights, strict=True)), (x, (h, (C, n, m))))
        return after, *c

    assert torch.autograd.gradcheck(step, inputs)


def test_the_state_starts_at_zero():
    h, (C, n, m) = MLSTMCell(2, 8, heads=2).initial_state(5, dtype=torch.float64)
    for part, shape in ((h, (5, 8)), (C, (5, 2, 4, 4)), (n, (5, 2, 4)), (m, (5, 2))):
        assert part.shape == shape
        assert part.dtype is torch.float64
        assert not part.any()


def test_the_memory_is_an_affine_map_of_the_memory_and_h_is_not_read():
    """With n and m held, C' = f' C + i' v kᵀ: the same number f' for all of a head, and the rest does not know C."""
    cell, x = made(MODERATE)
    with torch.no_grad():
        _, (h, (C, n, m)) = unroll(cell, x[:, :3])

        def after(C, h=h):
            return cell.memory(cell(x[:, 3], (h, (C, n, m))))

        other = torch.randn_like(C)
        ratio = (after(C + other) - after(C)) / other
        torch.testing.assert_close(ratio, ratio[..., :1, :1].expand_as(ratio), rtol=1e-12, atol=0)
        torch.testing.assert_close(after(3 * C) - after(2 * C), after(C) - after(0 * C), rtol=1e-13, atol=1e-15)
        assert torch.equal(after(C, h + 1), after(C))


def test_an_open_forget_gate_and_a_shut_input_gate_carry_the_memory():
    cell, x = made(MODERATE)
    with torch.no_grad():
        _, (h, (C, n, m)) = unroll(cell, x[:, :3])
    cell.gate_bias("f").fill_(50.0)
    cell.gate_bias("i").fill_(-50.0)
    C.requires_grad_()
    _, end = unroll(cell, x[:, 3:].repeat(1, 3, 1), (h, (C, n, m)))
    weights = torch.randn_like(C)
    (gradient,) = torch.autograd.grad((cell.memory(end) * weights).sum(), C)
    torch.testing.assert_close(cell.memory(end), C, rtol=0, atol=1e-15)  # exp(−50 − m) comes in with every step
    torch.testing.assert_close(gradient, weights, rtol=0, atol=1e-15)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("bias", [-1.0, 0.0, 3.0])
def test_without_input_the_forget_gate_starts_at_its_bias(bias, heads):
    cell = MLSTMCell(2, 4, forget_bias=bias, heads=heads).double()
    gate = cell.gates(torch.zeros(1, 2).double(), cell.initial_state(1, dtype=torch.float64))["f"]
    assert gate.tolist() == [pytest.approx([logistic(bias)] * heads, rel=1e-15)]


def test_the_bias_of_each_gate_is_the_whole_of_it_and_of_no_other():
    x = torch.zeros(1, 2).double()
    for name in MLSTMCell.gate_names:
        torch.manual_seed(0)
        cell = MLSTMCell(2, 6, heads=2).double()
        state = cell.initial_state(1, dtype=torch.float64)
        before = cell.gates(x, state)
        cell.gate_bias(name).fill_(-50.0)
        after = cell.gates(x, state)
        assert {other for other in before if not torch.equal(before[other], after[other])} == {name}
        assert (after[name] < 1e-20).all()
    assert [tuple(cell.gate_bias(name).shape) for name in ("i", "f", "o")] == [(2,), (2,), (3, 2)]
    with pytest.raises(ValueError, match="not in tuple"):
        cell.gate_bias("q")


def test_other_starts_of_the_forget_gate():
    torch.manual_seed(0)
    cell = MLSTMCell(2, 8, heads=4).double()

    def gates():
        return cell.gates(torch.zeros(1, 2).double(), cell.initial_state(1, dtype=torch.float64))

    Staggered(0.5, 2.0)(cell)
    biases = (0.5, 1.0, 1.5, 2.0)
    assert gates()["f"].tolist() == [pytest.approx([logistic(b) for b in biases], rel=1e-15)]
    assert gates()["i"].tolist() == [pytest.approx([math.exp(-b) for b in biases], rel=1e-15)]
    assert gates()["o"].tolist() == [pytest.approx([logistic(-b) for b in biases for _ in range(2)], rel=1e-15)]
    Chrono(100)(cell)
    bias = torch.logit(gates()["f"][0])
    assert ((bias >= 0) & (bias <= math.log(99))).all()
    assert len(set(bias.tolist())) == 4
    torch.testing.assert_close(cell.gate_bias("i"), -bias)
    Uniform()(cell)
    gate = gates()["f"][0]
    assert ((gate >= 1 / 8 - 1e-6) & (gate <= 7 / 8 + 1e-6)).all()  # H = 8; drawn in float32
    assert len(set(gate.tolist())) == 4


@pytest.mark.parametrize("bias", ["1", None, True])
def test_a_forget_bias_that_is_no_number_is_refused(bias):
    with pytest.raises(ValueError, match="forget_bias must be a number"):
        MLSTMCell(2, 4, forget_bias=bias)


@pytest.mark.parametrize("heads", [0, -1, 2.0, "2", True, None])
def test_a_number_of_heads_that_is_no_positive_integer_is_refused(heads):
    with pytest.raises(ValueError, match="heads must be a positive integer"):
        MLSTMCell(2, 4, heads=heads)


def test_heads_that_do_not_divide_the_units_are_refused():
    with pytest.raises(ValueError, match="hidden_size must be a multiple of heads=4, got 10"):
        MLSTMCell(2, 10)
