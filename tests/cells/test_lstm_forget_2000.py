import math

import pytest
import torch
from by_hand import dot, logistic, of_its_own
from torch.func import functional_call

from longlag.cells.init import Staggered
from longlag.cells.lstm_forget_2000 import ForgetLSTM2000Cell
from longlag.engine.eager import unroll
from longlag.model import SequenceModel

F64 = torch.float64


@pytest.mark.parametrize("truncate_gates", [True, False])
@pytest.mark.parametrize("cell_bias", [True, False])
def test_two_steps_by_hand(cell_bias, truncate_gates):
    """Two blocks of two cells; the second step reads the cell outputs of the first, and forgets some of its memory."""
    cell = ForgetLSTM2000Cell(2, 4, block_size=2, cell_bias=cell_bias, truncate_gates=truncate_gates)
    W, b, U, a = [*of_its_own(cell), [0.0] * 4][:4]
    xs = [[0.9, -0.4], [-1.3, 0.6]]
    h, s = [0.0] * 4, [0.0] * 4
    for x in xs:
        m = h + x
        y = [logistic(dot(row, m) + bias) for row, bias in zip(W, b, strict=True)]  # i of block 0, i of 1, f, f, o, o
        for k in range(4):
            i, f, o = y[k // 2], y[2 + k // 2], y[4 + k // 2]
            s[k] = f * s[k] + i * (4 * logistic(dot(U[k], m) + a[k]) - 2)
            h[k] = o * (2 * logistic(s[k]) - 1)
    state = cell.initial_state(1, dtype=F64)
    for x in xs:
        state = cell(torch.tensor([x], dtype=F64), state)
    # both are float64, so only the rounding of a few dozen operations is left
    assert state[0][0].tolist() == pytest.approx(h, rel=1e-13)
    assert state[1][0].tolist() == pytest.approx(s, rel=1e-13)


def by_the_online_rule(cell, readout, x, targets, injected):
    """Return the gradient of ½ squared error from traces alone, which the forget gate lets fade with the memory.

    Nothing is carried from step to step but the state and the three traces ∂s/∂w; a bias is the weight of a unit that
    is always 1. ``injected`` says at which steps there is an error.
    """
    W, b, U, a, V, d = (p.detach() for p in (*cell.parameters(), *readout.parameters()))
    B, T, _ = x.shape
    H, S = cell.hidden_size, cell.block_size
    blocks = H // S
    W, U, one = torch.cat([W, b[:, None]], dim=1), torch.cat([U, a[:, None]], dim=1), torch.ones(B, 1, dtype=F64)
    s, y_c = torch.zeros(B, H, dtype=F64), torch.zeros(B, H, dtype=F64)
    trace_in, trace_forget, trace_c = (torch.zeros(B, H, W.shape[1], dtype=F64) for _ in range(3))
    d_in, d_forget, d_out = (torch.zeros_like(W[:blocks]) for _ in range(3))
    d_c = torch.zeros_like(U)
    block = [v // S for v in range(H)]
    for t in range(T):
        m = torch.cat([y_c, x[:, t], one], dim=1)
        y_in, y_forget, y_out = (1 / (1 + torch.exp(-m @ W.T))).split(blocks, dim=1)
        f = 1 / (1 + torch.exp(-m @ U.T))
        g, g_prime = 4 * f - 2, 4 * f * (1 - f)
        kept = y_forget[:, block][:, :, None]
        trace_c = kept * trace_c + (g_prime * y_in[:, block])[:, :, None] * m[:, None, :]
        trace_in = kept * trace_in + (g * (y_in * (1 - y_in))[:, block])[:, :, None] * m[:, None, :]
        trace_forget = kept * trace_forget + (s * (y_forget * (1 - y_forget))[:, block])[:, :, None] * m[:, None, :]
        s = y_forget[:, block] * s + y_in[:, block] * g
        f = 1 / (1 + torch.exp(-s))
        h, h_prime = 2 * f - 1, 2 * f * (1 - f)
        y_c = y_out[:, block] * h
        if not injected[t]:
            continue
        y_k = 1 / (1 + torch.exp(-(y_c @ V.T + d)))
        back = ((targets[:, t] - y_k) * y_k * (1 - y_k)) @ V  # Σ_k w_kc e_k, for every cell
        e_s = y_out[:, block] * h_prime * back
        d_c += torch.einsum("bv,bvm->vm", e_s, trace_c)
        for j in range(blocks):
            cells = slice(j * S, (j + 1) * S)
            d_in[j] += torch.einsum("bv,bvm->m", e_s[:, cells], trace_in[:, cells])
            d_forget[j] += torch.einsum("bv,bvm->m", e_s[:, cells], trace_forget[:, cells])
            e_out = y_out[:, j] * (1 - y_out[:, j]) * (h[:, cells] * back[:, cells]).sum(dim=1)
            d_out[j] += e_out @ m
    return {"in": -d_in, "forget": -d_forget, "out": -d_out, "c": -d_c}


def by_autograd(model, x, targets, injected):
    """Return the gradient of the same error through the real model, biases as the last column."""
    loss = 0.5 * (torch.sigmoid(model(x)) - targets)[:, torch.tensor(injected)].square().sum()
    W, b, U, a = torch.autograd.grad(loss, list(model.cells[0].parameters()))
    d_in, d_forget, d_out = torch.cat([W, b[:, None]], dim=1).chunk(3)
    return {"in": d_in, "forget": d_forget, "out": d_out, "c": torch.cat([U, a[:, None]], dim=1)}


@pytest.mark.parametrize("injected", ["every step", "the end"])
@pytest.mark.parametrize(("blocks", "block_size"), [(3, 1), (3, 2), (2, 3)])
def test_the_truncated_gradient_is_the_online_rule_of_the_paper(blocks, block_size, injected):
    torch.manual_seed(0)
    B, T, I, O = 2, 9, 3, 2  # noqa: E741
    cells = [
        ForgetLSTM2000Cell(I, blocks * block_size, block_size, cell_bias=True, weight_range=1.0, truncate_gates=cut)
        for cut in (True, False)
    ]
    model, whole = (SequenceModel(cell, O, readout="every").double() for cell in cells)
    whole.load_state_dict(model.state_dict())
    x, targets = torch.randn(B, T, I, dtype=F64), torch.rand(B, T, O, dtype=F64)
    steps = [injected == "every step" or t == T - 1 for t in range(T)]
    expected = by_the_online_rule(cells[0], model.readout, x, targets, steps)
    got, uncut = (by_autograd(net, x, targets, steps) for net in (model, whole))
    for name, gradient in expected.items():
        assert (got[name] - gradient).norm() / gradient.norm() < 1e-10  # sums of a few hundred products
        assert (uncut[name] - gradient).norm() / gradient.norm() > 1e-3


def step_of(cell):
    """Return the step as a function of everything that it depends on, and random arguments for it."""
    names = [name for name, _ in cell.named_parameters()]
    leaves = [torch.randn(3, n, dtype=F64) for n in (cell.input_size, cell.hidden_size, cell.hidden_size)]

    def step(x, h, s, *parameters):
        return functional_call(cell, dict(zip(names, parameters, strict=True)), (x, (h, s)))

    return step, [leaf.clone().requires_grad_() for leaf in (*leaves, *(p.detach() for p in cell.parameters()))]


@pytest.mark.parametrize("cell_bias", [True, False])
def test_gradcheck_of_the_whole_derivative(cell_bias):
    torch.manual_seed(0)
    cell = ForgetLSTM2000Cell(2, 4, 2, cell_bias=cell_bias, weight_range=1.0, truncate_gates=False).double()
    assert not cell.truncated
    assert torch.autograd.gradcheck(*step_of(cell))


def test_the_truncated_gradient_is_no_derivative():
    """No error comes back to the cell outputs of the step before; what comes back to s is what the forget gate lets."""
    torch.manual_seed(0)
    cell = ForgetLSTM2000Cell(2, 4, 2, weight_range=1.0).double()
    assert cell.truncated
    step, arguments = step_of(cell)
    h_new, s_new = step(*arguments)
    x, h, s = torch.autograd.grad((h_new + s_new).sum(), arguments[:3], allow_unused=True, materialize_grads=True)
    assert not h.any()
    assert x.all()
    gates = cell.gates(arguments[0], tuple(arguments[1:3]))
    f, o = (gates[name].repeat_interleave(2, dim=1) for name in "fo")
    sigma = torch.sigmoid(s_new)
    torch.testing.assert_close(s, f * (1 + o * 2 * sigma * (1 - sigma)), rtol=1e-13, atol=0)
    assert not torch.autograd.gradcheck(step, arguments, raise_exception=False)


def test_error_flow_through_a_cell_is_scaled_by_its_forget_gate_alone():
    """y_out(t) h'(s(t)) · Π y_forget · g'(net_c(t−q)) y_in(t−q), whatever else happens in the q steps between."""
    torch.manual_seed(0)
    cell = ForgetLSTM2000Cell(2, 1, forget_bias=3.0, weight_range=1.0).double()
    readout = torch.nn.Linear(1, 1).double()
    first = torch.randn(1, 2, dtype=F64)
    for q in (1, 10, 100):
        nets, gates = [], []
        hook = cell.U.register_forward_hook(lambda *call, nets=nets: nets.append(call[2]))
        state = cell.initial_state(1, dtype=F64)
        for x in [first, *torch.randn(q, 1, 2, dtype=F64)]:
            gates.append({name: gate.item() for name, gate in cell.gates(x, state).items()})
            state = cell(x, state)
        hook.remove()
        y = torch.sigmoid(readout(state[0]))
        (flowed,) = torch.autograd.grad(0.5 * (y - 1).square().sum(), nets[0])
        sent = ((y - 1) * y * (1 - y)).item() * readout.weight.item()  # dE/dy_c
        s, net = logistic(state[1].item()), logistic(nets[0].item())
        kept = math.prod(gate["f"] for gate in gates[1:])
        expected = sent * gates[-1]["o"] * 2 * s * (1 - s) * kept * 4 * net * (1 - net) * gates[0]["i"]
        assert flowed.item() == pytest.approx(expected, rel=1e-12, abs=0)  # a few hundred products


@pytest.mark.parametrize("truncate_gates", [True, False])
def test_an_open_forget_gate_and_a_shut_input_gate_keep_the_memory_and_its_error(truncate_gates):
    torch.manual_seed(0)
    cell = ForgetLSTM2000Cell(
        2, 4, 2, forget_bias=50, input_bias=-50, weight_range=1.0, truncate_gates=truncate_gates
    ).double()
    h, s = torch.zeros(3, 4, dtype=F64), torch.randn(3, 4, dtype=F64, requires_grad=True)
    _, state = unroll(cell, torch.randn(3, 60, 2, dtype=F64), (h, s))
    torch.testing.assert_close(cell.memory(state), s, rtol=0, atol=1e-15)
    (gradient,) = torch.autograd.grad(cell.memory(state).sum(), s)
    torch.testing.assert_close(gradient, torch.ones_like(s), rtol=0, atol=1e-15)


def test_a_shut_forget_gate_empties_the_memory_of_its_block_alone():
    torch.manual_seed(0)
    cell = ForgetLSTM2000Cell(2, 4, 2, input_bias=-800).double()
    cell.start_forget_gate(torch.tensor([-800.0, 50.0]))
    s = torch.randn(3, 4, dtype=F64)
    _, after = cell(torch.randn(3, 2, dtype=F64), (torch.zeros_like(s), s))
    assert not after[:, :2].any()
    torch.testing.assert_close(after[:, 2:], s[:, 2:], rtol=1e-15, atol=0)


@pytest.mark.parametrize("forget_bias", [1.0, -2.5, 0])
def test_the_forget_bias_is_the_whole_of_it(forget_bias):
    cell = ForgetLSTM2000Cell(2, 6, 2, forget_bias=forget_bias).double()
    gate = cell.gates(torch.zeros(5, 2, dtype=F64), cell.initial_state(5, dtype=F64))["f"]
    torch.testing.assert_close(gate, torch.full((5, 3), logistic(forget_bias), dtype=F64), rtol=1e-15, atol=0)


def test_the_gates_are_those_of_the_step():
    """What the gates say, put into the equations of the step, makes its state."""
    torch.manual_seed(0)
    cell = ForgetLSTM2000Cell(2, 4, 2, weight_range=1.0).double()
    x, h, s = (torch.randn(3, n, dtype=F64) for n in (2, 4, 4))
    gates = cell.gates(x, (h, s))
    assert tuple(gates) == cell.gate_names
    assert all(gate.shape == (3, 2) for gate in gates.values())
    i, f, o = (gate[:, [0, 0, 1, 1]] for gate in gates.values())
    g = 4 * torch.sigmoid(cell.U(torch.cat([h, x], dim=1))) - 2
    h_new, s_new = cell(x, (h, s))
    torch.testing.assert_close(s_new, f * s + i * g, rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(h_new, o * (2 * torch.sigmoid(s_new) - 1), rtol=1e-12, atol=1e-15)


def test_the_blocks_of_the_continual_grammar_start_staggered():
    """Four blocks of two; the initial biases that Gers et al. 2000 give."""
    cell = ForgetLSTM2000Cell(7, 8, 2)
    Staggered(0.5, 2.0)(cell)
    assert cell.gate_bias("f").tolist() == [0.5, 1.0, 1.5, 2.0]
    assert cell.gate_bias("i").tolist() == cell.gate_bias("o").tolist() == [-0.5, -1.0, -1.5, -2.0]


def test_biases_are_the_same_for_all_blocks_or_staggered():
    cell = ForgetLSTM2000Cell(2, 6, 2, forget_bias=3, input_bias=-1, output_bias=[-2, -4.5, -6])
    assert cell.W.bias.tolist() == [-1.0] * 3 + [3.0] * 3 + [-2.0, -4.5, -6.0]
    cell.gate_bias("o").fill_(7.0)
    assert cell.W.bias.tolist() == [-1.0] * 3 + [3.0] * 3 + [7.0] * 3


def test_weights_and_biases_are_drawn_from_the_range_and_cells_have_no_bias_unless_asked():
    torch.manual_seed(0)
    cell = ForgetLSTM2000Cell(40, 40, weight_range=0.25, cell_bias=True)
    drawn = [cell.W.weight, cell.gate_bias("i"), cell.gate_bias("o"), cell.U.weight, cell.U.bias]
    for numbers in drawn:
        assert numbers.abs().max() <= 0.25
        assert numbers.min() < -0.2
        assert numbers.max() > 0.2
    assert [name for name, _ in ForgetLSTM2000Cell(2, 3).named_parameters()] == ["W.weight", "W.bias", "U.weight"]


def test_on_the_meta_device():
    with torch.device("meta"):
        cell = ForgetLSTM2000Cell(2, 6, 2, input_bias=[-1, -2, -3])
    h, s = cell(torch.empty(5, 2, device="meta"), cell.initial_state(5, device=torch.device("meta")))
    assert (h.shape, s.shape) == ((5, 6), (5, 6))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"block_size": 4}, "hidden_size must be a multiple of block_size=4, got 6"),
        ({"block_size": 2.0}, "block_size must be a positive integer"),
        ({"forget_bias": "1"}, "forget_bias must be a number"),
        ({"forget_bias": None}, "forget_bias must be a number"),
        ({"forget_bias": True}, "forget_bias must be a number"),
        ({"cell_bias": None}, "cell_bias must be true or false, got None"),
        ({"truncate_gates": "no"}, "truncate_gates must be true or false, got 'no'"),
        ({"weight_range": -0.1}, "weight_range must be a number above 0, got -0.1"),
        ({"input_bias": [-1, -2]}, r"input_bias must be a number or a list of 3, one for each block, got \[-1, -2\]"),
        ({"output_bias": "-1"}, "output_bias must be a number or a list of 3, one for each block, got '-1'"),
        ({"output_bias": False}, "output_bias must be a number or a list of 3"),
    ],
)
def test_bad_arguments_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        ForgetLSTM2000Cell(2, 6, **{"block_size": 2, **arguments})
