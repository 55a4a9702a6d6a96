import math

import pytest
import torch
from torch.func import functional_call

from longlag.cells.causal_attention import CausalAttentionCell
from longlag.cells.rnn import RNNCell
from longlag.engine.eager import unroll


def normalised(u, norm):
    mean = u.mean(-1, keepdim=True)
    variance = ((u - mean) ** 2).mean(-1, keepdim=True)
    return (u - mean) / torch.sqrt(variance + 1e-5) * norm.weight + norm.bias


def in_parallel(cell, x):
    """All steps at once, with a causal mask: h [B, T, H]."""
    _, T, _ = x.shape
    H, n = cell.hidden_size, cell.heads
    positions = [
        [(math.sin if k % 2 == 0 else math.cos)(t / 10000 ** ((k - k % 2) / H)) for k in range(H)] for t in range(T)
    ]
    u = x @ cell.E.weight.T + cell.E.bias + torch.tensor(positions, dtype=x.dtype)
    q, k, v = (normalised(u, cell.attention_norm) @ cell.A.weight.T + cell.A.bias).split(H, dim=-1)
    later = torch.ones(T, T, dtype=torch.bool).triu(1)
    heads = []
    for j in range(n):
        mine = slice(j * H // n, (j + 1) * H // n)
        scores = torch.einsum("bsd,btd->bst", q[..., mine], k[..., mine]) / math.sqrt(H // n)
        scores = torch.exp(scores).masked_fill(later, 0.0)
        heads.append(scores / scores.sum(-1, keepdim=True) @ v[..., mine])
    w = u + torch.cat(heads, dim=-1) @ cell.O.weight.T + cell.O.bias
    first, _, second = cell.mlp
    hidden = normalised(w, cell.mlp_norm) @ first.weight.T + first.bias
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    return w + hidden @ second.weight.T + second.bias


def shaken(cell):
    """Give every parameter a value of its own, those of the norms too."""
    with torch.no_grad():
        for p in cell.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return cell


def test_a_step_by_hand():
    """H=2, I=1, one head, the second step: the arithmetic is written out with math alone."""
    cell = CausalAttentionCell(1, 2, heads=1).double()
    torch.manual_seed(0)
    shaken(cell)

    def linear(layer, u):
        return [
            sum(w * a for w, a in zip(row, u, strict=True)) + b
            for row, b in zip(layer.weight.tolist(), layer.bias.tolist(), strict=True)
        ]

    def norm(layer, u):
        mean = (u[0] + u[1]) / 2
        deviation = math.sqrt(((u[0] - mean) ** 2 + (u[1] - mean) ** 2) / 2 + 1e-5)
        weight, bias = layer.weight.tolist(), layer.bias.tolist()
        return [(a - mean) / deviation * g + b for a, g, b in zip(u, weight, bias, strict=True)]

    x, K, V = 0.9, [0.3, -0.4], [1.1, 0.7]  # one step is in the cache, so this is position 1
    u = linear(cell.E, [x])
    u = [u[0] + math.sin(1), u[1] + math.cos(1)]
    *qk, v_0, v_1 = linear(cell.A, norm(cell.attention_norm, u))
    q, k = qk[:2], qk[2:]
    old, new = (math.exp((q[0] * key[0] + q[1] * key[1]) / math.sqrt(2)) for key in (K, k))
    y = [(old * a + new * b) / (old + new) for a, b in zip(V, (v_0, v_1), strict=True)]
    w = [a + b for a, b in zip(u, linear(cell.O, y), strict=True)]
    hidden = linear(cell.mlp[0], norm(cell.mlp_norm, w))
    hidden = [a * (1 + math.erf(a / math.sqrt(2))) / 2 for a in hidden]
    h = [a + b for a, b in zip(w, linear(cell.mlp[2], hidden), strict=True)]

    def tensor(values):
        return torch.tensor(values, dtype=torch.float64)

    got, (got_K, got_V) = cell(tensor([[x]]), (tensor([[math.nan] * 2]), (tensor([[K]]), tensor([[V]]))))
    # some dozen roundings of float64
    assert got[0].tolist() == pytest.approx(h, rel=1e-13)
    assert got_K[0].tolist() == [K, pytest.approx(k, rel=1e-13)]
    assert got_V[0].tolist() == [V, pytest.approx([v_0, v_1], rel=1e-13)]


@pytest.mark.parametrize(("H", "heads"), [(8, 4), (6, 2), (5, 1), (3, 3)])
def test_step_by_step_it_is_the_block_with_a_causal_mask(H, heads):
    """Values, and gradients with respect to inputs and parameters."""
    torch.manual_seed(0)
    cell = shaken(CausalAttentionCell(2, H, heads=heads).double())
    x = torch.randn(3, 9, 2, dtype=torch.float64, requires_grad=True)
    ours, _ = unroll(cell, x)
    theirs = in_parallel(cell, x)
    weights = torch.randn_like(theirs)
    leaves = [x, *cell.parameters()]
    results = [(h, *torch.autograd.grad((h * weights).sum(), leaves)) for h in (ours, theirs)]
    for got, want in zip(*results, strict=True):
        # a few hundred roundings of float64
        assert (got - want).norm() / want.norm() < 1e-12


def test_gradcheck():
    torch.manual_seed(0)
    cell = CausalAttentionCell(2, 4, heads=2).double()
    names, parameters = zip(*cell.named_parameters(), strict=True)
    shapes = [(3, 2), (3, 5, 4), (3, 5, 4)]
    x, K, V = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)
    h = torch.zeros(3, 4, dtype=torch.float64)

    def step(x, K, V, *values):
        h_new, (K, V) = functional_call(cell, dict(zip(names, values, strict=True)), (x, (h, (K, V))))
        return h_new, K, V

    assert torch.autograd.gradcheck(step, [x, K, V, *parameters])


def test_an_input_changes_its_own_and_all_later_outputs_and_no_earlier_one():
    torch.manual_seed(0)
    cell = CausalAttentionCell(2, 8).double()
    x = torch.randn(3, 9, 2, dtype=torch.float64)
    changed = x.clone()
    changed[:, 4] += 1
    before, after = unroll(cell, x)[0], unroll(cell, changed)[0]
    assert torch.equal(before[:, :4], after[:, :4])
    assert (before[:, 4:] != after[:, 4:]).any(-1).all()


def test_the_cache_starts_empty_and_grows_by_a_row_a_step():
    torch.manual_seed(0)
    cell = CausalAttentionCell(2, 8)
    state = cell.initial_state(3, dtype=torch.float64)
    assert state[0].shape == (3, 8)
    assert all(part.shape == (3, 0, 8) and part.dtype is torch.float64 for part in state[1])
    cell.double()
    for t in range(1, 4):
        held = state[1]
        state = cell(torch.randn(3, 2, dtype=torch.float64), state)
        assert state[0].shape == (3, 8)
        assert all(part.shape == (3, t, 8) for part in state[1])
        assert all(torch.equal(new[:, :-1], old) for new, old in zip(state[1], held, strict=True))
    assert cell.memory(state) is state[1][0]


def test_positions_matter():
    """Without them the last output would be the same for two earlier inputs in either order."""
    torch.manual_seed(0)
    cell = CausalAttentionCell(2, 8).double()
    x = torch.randn(4, 3, 2, dtype=torch.float64)
    last, swapped = (unroll(cell, each)[0][:, -1] for each in (x, x[:, [1, 0, 2]]))
    assert (last - swapped).abs().max() > 1e-3


def test_the_gradient_reaches_the_first_of_1000_steps_without_vanishing():
    """It is a share of 1/T of an average, where the RNN's has gone through T products."""
    torch.manual_seed(0)
    gradients = []
    for cell in (CausalAttentionCell(2, 8).double(), RNNCell(2, 8).double()):
        x = torch.randn(2, 1000, 2, dtype=torch.float64, requires_grad=True)
        unroll(cell, x)[0][:, -1].sum().backward()
        gradients.append(x.grad.abs().mean(dim=(0, 2)))  # [T]
    attention, rnn = gradients
    assert attention[0] > 0.1 * attention[:-1].mean()
    assert attention[0] > 1e-6
    assert rnn[0] < 1e-30 * rnn[:-1].max()


def test_it_runs_on_the_meta_device():
    cell = CausalAttentionCell(2, 8).to("meta")
    state = cell.initial_state(3, device=torch.device("meta"))
    for _ in range(2):
        state = cell(torch.zeros(3, 2, device="meta"), state)
    assert state[0].shape == (3, 8)
    assert all(part.shape == (3, 2, 8) and part.device.type == "meta" for part in state[1])


@pytest.mark.parametrize(("H", "heads"), [(6, 4), (2, 4), (8, 3)])
def test_a_size_that_is_no_multiple_of_the_heads_is_refused(H, heads):
    with pytest.raises(ValueError, match="hidden_size must be a multiple of heads"):
        CausalAttentionCell(2, H, heads=heads)


@pytest.mark.parametrize("heads", [0, -1, 2.0, "4", True])
def test_heads_that_are_no_positive_integer_are_refused(heads):
    with pytest.raises(ValueError, match="heads must be a positive integer"):
        CausalAttentionCell(2, 8, heads=heads)


@pytest.mark.parametrize("size", [0, 2.0, True])
def test_a_size_that_is_no_positive_integer_is_refused(size):
    with pytest.raises(ValueError, match="hidden_size must be a positive integer"):
        CausalAttentionCell(2, size)
