import math

import pytest
import torch
from by_hand import dot, logistic, of_its_own
from torch.func import functional_call

from longlag.cells.lstm_1997 import LSTM1997Cell
from longlag.engine.eager import unroll
from longlag.model import SequenceModel

F64 = torch.float64


@pytest.mark.parametrize("truncate_gates", [True, False])
def test_two_steps_by_hand(truncate_gates):
    """Two blocks of two cells; the second step reads the cell outputs and the gates of the first."""
    cell = LSTM1997Cell(2, 4, block_size=2, truncate_gates=truncate_gates)
    W, b, U, a = of_its_own(cell)
    xs = [[0.9, -0.4], [-1.3, 0.6]]
    h, s, y = [0.0] * 4, [0.0] * 4, [0.0] * 4
    for x in xs:
        m = h + y + x
        y = [
            logistic(dot(row, m) + bias) for row, bias in zip(W, b, strict=True)
        ]  # i of block 0, i of 1, o of 0, o of 1
        for k in range(4):
            i, o = y[k // 2], y[2 + k // 2]
            s[k] += i * (4 * logistic(dot(U[k], m) + a[k]) - 2)
            h[k] = o * (2 * logistic(s[k]) - 1)
    state = cell.initial_state(1, dtype=F64)
    for x in xs:
        state = cell(torch.tensor([x], dtype=F64), state)
    got_h, (got_s, got_y) = state
    # both are float64, so only the rounding of a few dozen operations is left
    assert got_h[0].tolist() == pytest.approx(h, rel=1e-13)
    assert got_s[0].tolist() == pytest.approx(s, rel=1e-13)
    assert got_y[0].tolist() == pytest.approx(y, rel=1e-13)


def test_two_steps_of_the_cell_without_output_gates_by_hand():
    """Two blocks of two; g is logistic, h is the identity, and the second step reads nothing of the first but s."""
    cell = LSTM1997Cell(2, 4, block_size=2, output_gate=False)
    W, b, U, a = of_its_own(cell)
    xs = [[0.9, -0.4], [-1.3, 0.6]]
    s = [0.0] * 4
    for x in xs:
        for k in range(4):
            s[k] += logistic(dot(W[k // 2], x) + b[k // 2]) * logistic(dot(U[k], x) + a[k])
    state = cell.initial_state(1, dtype=F64)
    for x in xs:
        state = cell(torch.tensor([x], dtype=F64), state)
    assert state[0][0].tolist() == pytest.approx(s, rel=1e-13)  # float64, as above
    assert state[1] is state[0]
    assert cell.gate_names == ("i",)
    assert not cell.truncated


def by_the_online_rule(cell, readout, x, targets, injected):
    """Return the gradient of ½ squared error by the online rule: what the appendix A.1 of the paper does, step by step.

    Nothing is carried from step to step but the state and the two traces ∂s/∂w; a bias is the weight of a unit that
    is always 1. ``injected`` says at which steps there is an error.
    """
    W, b, U, a, V, d = (p.detach() for p in (*cell.parameters(), *readout.parameters()))
    B, T, _ = x.shape
    H, S = cell.hidden_size, cell.block_size
    blocks = H // S
    W, U, one = torch.cat([W, b[:, None]], dim=1), torch.cat([U, a[:, None]], dim=1), torch.ones(B, 1, dtype=F64)
    s, y_c, y_gates = (torch.zeros(B, n, dtype=F64) for n in (H, H, 2 * blocks))
    trace_in = torch.zeros(B, H, W.shape[1], dtype=F64)  # ∂s_v/∂w_in,m: a cell each, since g differs
    trace_c = torch.zeros(B, H, W.shape[1], dtype=F64)
    d_in, d_out, d_c = torch.zeros_like(W[:blocks]), torch.zeros_like(W[:blocks]), torch.zeros_like(U)
    for t in range(T):
        m = torch.cat([y_c, y_gates, x[:, t], one], dim=1)
        y_gates = 1 / (1 + torch.exp(-m @ W.T))
        y_in, y_out = y_gates[:, :blocks], y_gates[:, blocks:]
        f = 1 / (1 + torch.exp(-m @ U.T))
        g, g_prime = 4 * f - 2, 4 * f * (1 - f)
        block = [v // S for v in range(H)]
        trace_c += (g_prime * y_in[:, block])[:, :, None] * m[:, None, :]
        trace_in += (g * (y_in * (1 - y_in))[:, block])[:, :, None] * m[:, None, :]
        s = s + y_in[:, block] * g
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
            e_out = y_out[:, j] * (1 - y_out[:, j]) * (h[:, cells] * back[:, cells]).sum(dim=1)
            d_out[j] += e_out @ m
    return {"in": -d_in, "out": -d_out, "c": -d_c}


def by_autograd(model, x, targets, injected):
    """Return the gradient of the same error through the real model, biases as the last column."""
    cell = model.cells[0]
    steps = torch.tensor(injected)
    loss = 0.5 * (torch.sigmoid(model(x)) - targets)[:, steps].square().sum()
    W, b, U, a = torch.autograd.grad(loss, list(cell.parameters()))
    gates, cells = torch.cat([W, b[:, None]], dim=1), torch.cat([U, a[:, None]], dim=1)
    d_in, d_out = gates.chunk(2)
    return {"in": d_in, "out": d_out, "c": cells}


@pytest.mark.parametrize("injected", ["every step", "the end"])
@pytest.mark.parametrize(("blocks", "block_size"), [(3, 1), (3, 2), (2, 3)])
def test_the_truncated_gradient_is_the_online_rule_of_the_paper(blocks, block_size, injected):
    torch.manual_seed(0)
    B, T, I, O = 2, 9, 3, 2  # noqa: E741
    H = blocks * block_size
    cells = [LSTM1997Cell(I, H, block_size, weight_range=1.0, truncate_gates=cut) for cut in (True, False)]
    model, whole = (SequenceModel(cell, O, readout="every").double() for cell in cells)
    whole.load_state_dict(model.state_dict())
    x, targets = torch.randn(B, T, I, dtype=F64), torch.rand(B, T, O, dtype=F64)
    steps = [injected == "every step" or t == T - 1 for t in range(T)]
    expected = by_the_online_rule(cells[0], model.readout, x, targets, steps)
    got, uncut = (by_autograd(net, x, targets, steps) for net in (model, whole))
    for name, gradient in expected.items():
        assert (got[name] - gradient).norm() / gradient.norm() < 1e-10  # sums of a few hundred products
        if (name, injected) != ("out", "the end"):  # an output gate reads the error of its own step alone
            assert (uncut[name] - gradient).norm() / gradient.norm() > 1e-2


def step_of(cell):
    """Return the step as a function of everything that it depends on, and random arguments for it."""
    names = [name for name, _ in cell.named_parameters()]
    B, H = 3, cell.hidden_size
    leaves = [torch.randn(B, n, dtype=F64) for n in (cell.input_size, H, H)] + [torch.rand(B, cell.n_gates, dtype=F64)]

    def step(x, h, s, y, *parameters):
        h_new, (s_new, y_new) = functional_call(cell, dict(zip(names, parameters, strict=True)), (x, (h, (s, y))))
        return h_new, s_new, y_new

    return step, [leaf.clone().requires_grad_() for leaf in (*leaves, *(p.detach() for p in cell.parameters()))]


@pytest.mark.parametrize("biased", ["none", "gates", "hidden"])
def test_gradcheck_of_the_whole_derivative(biased):
    torch.manual_seed(0)
    cell = LSTM1997Cell(2, 4, block_size=2, biased=biased, weight_range=1.0, truncate_gates=False).double()
    assert not cell.truncated
    step, arguments = step_of(cell)
    assert torch.autograd.gradcheck(step, arguments)


def test_gradcheck_without_output_gates():
    torch.manual_seed(0)
    cell = LSTM1997Cell(2, 4, block_size=2, output_gate=False, weight_range=1.0).double()
    names = [name for name, _ in cell.named_parameters()]

    def step(x, s, *parameters):
        return functional_call(cell, dict(zip(names, parameters, strict=True)), (x, (s, s)))[1]

    leaves = [torch.randn(3, 2, dtype=F64), torch.randn(3, 4, dtype=F64), *(p.detach() for p in cell.parameters())]
    assert torch.autograd.gradcheck(step, [leaf.requires_grad_() for leaf in leaves])


def test_the_truncated_gradient_is_no_derivative():
    """No error comes back to the cell outputs and the gates of the step before; all of it comes back to s and to x."""
    torch.manual_seed(0)
    cell = LSTM1997Cell(2, 4, block_size=2, weight_range=1.0).double()
    assert cell.truncated
    step, arguments = step_of(cell)
    h_new, s_new, y_new = step(*arguments)
    x, h, s, y = torch.autograd.grad(
        (h_new + s_new).sum() + y_new.sum(), arguments[:4], allow_unused=True, materialize_grads=True
    )
    assert not h.any()
    assert not y.any()
    assert x.all()
    o = y_new[:, 2:].repeat_interleave(2, dim=1)
    sigma = torch.sigmoid(s_new)
    torch.testing.assert_close(s, 1 + o * 2 * sigma * (1 - sigma), rtol=1e-13, atol=0)
    assert not torch.autograd.gradcheck(step, arguments, raise_exception=False)


def flow(cell, readout, x):
    """Return dE/dnet_c at the first step for the error y − 1 at the last, and the figures of these two steps."""
    nets = []
    hook = cell.U.register_forward_hook(lambda *call: nets.append(call[2]))
    state = cell.initial_state(1, dtype=F64)
    steps = []
    for t in range(x.shape[1]):
        i, o = cell.gates(x[:, t], state).values()
        state = cell(x[:, t], state)
        steps.append((i.item(), o.item(), state[1][0].item()))
    hook.remove()
    y = torch.sigmoid(readout(state[0]))
    (flowed,) = torch.autograd.grad(0.5 * (y - 1).square().sum(), nets[0])
    sent = ((y - 1) * y * (1 - y)).item() * readout.weight.item()  # dE/dy_c
    return flowed.item(), sent, nets[0].item(), steps[0][0], steps[-1][1], steps[-1][2]


def prime(scale, z):
    return scale * logistic(z) * (1 - logistic(z))


def test_error_flow_through_a_cell_does_not_depend_on_the_lag():
    """Equation 41: y_out(t) h'(s(t)) g'(net_c(t−q)) y_in(t−q), whatever happens in the q steps between.

    The weights are small, lest s drift to where autograd's 1 − tanh² has no twelve digits left.
    """
    torch.manual_seed(0)
    factors = []
    cell = LSTM1997Cell(2, 1, weight_range=0.2).double()
    readout = torch.nn.Linear(1, 1).double()
    first = torch.randn(1, 1, 2, dtype=F64)
    for q in (1, 10, 100):
        x = torch.cat([first, torch.randn(1, q, 2, dtype=F64)], dim=1)
        flowed, sent, net, y_in, y_out, s = flow(cell, readout, x)
        assert flowed == pytest.approx(sent * y_out * prime(2, s) * prime(4, net) * y_in, rel=1e-12, abs=0)
        factors.append(flowed / (sent * y_out * prime(2, s)))
    assert factors == pytest.approx([factors[0]] * 3, rel=1e-12, abs=0)


def test_the_same_error_flows_back_over_one_step_and_over_a_hundred():
    """With the input gate shut after the first step, and gates that read the input alone, even the figure is the same.

    The first input lifts the input gate from its bias of −50 to σ(0), the others leave it shut; the memory, and what is
    read of it in the end, is then the same for every lag.
    """
    torch.manual_seed(0)
    cell = LSTM1997Cell(2, 1, weight_range=1.0, input_bias=-50).double()
    with torch.no_grad():
        cell.W.weight[:, :3] = 0  # what the gates read of the cell and of each other
        cell.W.weight[0, 3:] = torch.tensor([50.0, 0.0])
    readout = torch.nn.Linear(1, 1).double()
    flows = []
    for q in (1, 10, 100):
        x = torch.tensor([[[1.0, 0.3]] + [[0.0, -0.7]] * q], dtype=F64)
        flows.append(flow(cell, readout, x)[0])
    assert abs(flows[0]) > 1e-3
    assert flows == pytest.approx([flows[0]] * 3, rel=1e-12, abs=0)


@pytest.mark.parametrize("truncate_gates", [True, False])
def test_a_shut_input_gate_keeps_the_memory_and_its_error(truncate_gates):
    """There is no forget gate: 60 random inputs change neither s nor the error that comes back to it."""
    torch.manual_seed(0)
    cell = LSTM1997Cell(2, 4, block_size=2, weight_range=1.0, input_bias=-50, truncate_gates=truncate_gates).double()
    assert cell.forget_gate is None
    h, (s, y) = cell.initial_state(3, dtype=F64)
    s = torch.randn_like(s).requires_grad_()
    _, state = unroll(cell, torch.randn(3, 60, 2, dtype=F64), (h, (s, y)))
    torch.testing.assert_close(cell.memory(state), s, rtol=0, atol=1e-15)
    (gradient,) = torch.autograd.grad(cell.memory(state).sum(), s)
    torch.testing.assert_close(gradient, torch.ones_like(s), rtol=0, atol=1e-15)


def test_an_open_input_gate_adds_up_and_never_forgets():
    """With the gate open and a cell input of 2 tanh(½) at every step, s is that times the number of steps."""
    cell = LSTM1997Cell(1, 2, input_bias=50).double()
    with torch.no_grad():
        cell.U.weight.zero_()
        cell.U.bias.fill_(1.0)
    _, (_, (s, _)) = unroll(cell, torch.randn(1, 100, 1, dtype=F64))
    assert s[0].tolist() == pytest.approx([100 * 2 * math.tanh(0.5)] * 2, rel=1e-13)  # 100 additions


def test_the_gates_are_those_of_the_step():
    torch.manual_seed(0)
    cell = LSTM1997Cell(2, 4, block_size=2, weight_range=1.0).double()
    state = cell.initial_state(3, dtype=F64)
    for x in torch.randn(4, 3, 2, dtype=F64):
        gates = cell.gates(x, state)
        state = cell(x, state)
        assert tuple(gates) == cell.gate_names
        torch.testing.assert_close(torch.cat(list(gates.values()), dim=1), state[1][1], rtol=0, atol=0)


def test_the_cells_of_a_block_have_one_gate():
    """Cells 0 and 1 make a block, 2 and 3 the other: shutting the output gate of the first silences both of it."""
    torch.manual_seed(0)
    cell = LSTM1997Cell(2, 4, block_size=2, output_bias=[-800, 0.5]).double()
    h, (s, y) = cell(torch.randn(3, 2, dtype=F64), cell.initial_state(3, dtype=F64))
    assert y.shape == (3, 4)
    assert not h[:, :2].any()
    assert h[:, 2:].all()
    assert s.all()


@pytest.mark.parametrize(("biased", "named"), [("none", []), ("gates", ["W.bias"]), ("hidden", ["W.bias", "U.bias"])])
def test_units_without_a_bias_have_no_parameter_for_it(biased, named):
    cell = LSTM1997Cell(2, 6, block_size=2, biased=biased)
    assert [name for name, _ in cell.named_parameters() if name.endswith("bias")] == named


def test_weights_and_biases_are_drawn_from_the_range():
    torch.manual_seed(0)
    cell = LSTM1997Cell(40, 40, weight_range=0.25)
    for parameter in cell.parameters():
        assert parameter.abs().max() <= 0.25
        assert parameter.min() < -0.2
        assert parameter.max() > 0.2
        # the mean of n uniform numbers has a standard deviation of r / √(3n); 40 numbers at least
        assert abs(parameter.mean()) < 4 * 0.25 / math.sqrt(3 * parameter.numel())


def test_biases_are_the_same_for_all_blocks_or_staggered():
    cell = LSTM1997Cell(2, 6, block_size=2, biased="gates", input_bias=-1, output_bias=[-2, -4.5, -6])
    assert cell.gate_bias("i").tolist() == [-1.0] * 3
    assert cell.gate_bias("o").tolist() == [-2.0, -4.5, -6.0]
    assert cell.W.bias.tolist() == [-1.0] * 3 + [-2.0, -4.5, -6.0]
    cell.gate_bias("o").fill_(7.0)
    assert cell.W.bias.tolist() == [-1.0] * 3 + [7.0] * 3


def test_on_the_meta_device():
    with torch.device("meta"):
        cell = LSTM1997Cell(2, 6, block_size=2, input_bias=[-1, -2, -3])
    h, (s, y) = cell(torch.empty(5, 2, device="meta"), cell.initial_state(5, device=torch.device("meta")))
    assert (h.shape, s.shape, y.shape) == ((5, 6), (5, 6), (5, 6))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"block_size": 4}, "hidden_size must be a multiple of block_size=4, got 6"),
        ({"block_size": 0}, "block_size must be a positive integer"),
        ({"block_size": True}, "block_size must be a positive integer"),
        ({"biased": "all"}, "biased must be one of none, gates, hidden; got 'all'"),
        ({"biased": True}, "biased must be one of none, gates, hidden; got True"),
        ({"biased": ["gates"]}, "biased must be one of none, gates, hidden"),
        ({"output_gate": "no"}, "output_gate must be true or false, got 'no'"),
        ({"truncate_gates": 1}, "truncate_gates must be true or false, got 1"),
        ({"weight_range": 0}, "weight_range must be a number above 0, got 0"),
        ({"weight_range": True}, "weight_range must be a number above 0"),
        ({"weight_range": math.inf}, "weight_range must be a number above 0"),
        ({"input_bias": "-1"}, "input_bias must be a number or a list of 3, one for each block, got '-1'"),
        ({"input_bias": "abc"}, "input_bias must be a number or a list of 3"),
        ({"input_bias": True}, "input_bias must be a number or a list of 3"),
        ({"output_bias": [-1, -2]}, r"output_bias must be a number or a list of 3, one for each block, got \[-1, -2\]"),
        ({"output_bias": [-1, -2, None]}, "output_bias must be a number or a list of 3"),
        ({"output_bias": math.nan}, "output_bias must be a number or a list of 3"),
        ({"biased": "none", "input_bias": -1}, "gate 'i' has no bias with biased='none'"),
        ({"output_gate": False, "output_bias": -1}, "there is no gate 'o', only i"),
    ],
)
def test_bad_arguments_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        LSTM1997Cell(2, 6, **{"block_size": 2, **arguments})


def test_a_bias_that_is_not_there_is_not_given_out():
    with pytest.raises(ValueError, match="gate 'o' has no bias with biased='none'"):
        LSTM1997Cell(2, 6, biased="none").gate_bias("o")
    with pytest.raises(ValueError, match="there is no gate 'f', only i, o"):
        LSTM1997Cell(2, 6).gate_bias("f")
