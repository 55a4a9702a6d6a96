import math

import pytest
import torch
from flows import CELLS, CUT_BY_HAND, assert_close, batch_of, classified, looped, made
from torch.nn.functional import cross_entropy

from longlag.cells import Cell, GRUCell, LSTMCell, RNNCell
from longlag.flow.error_flow import error_flow
from longlag.flow.norms import scaled_log10_norms
from longlag.model import SequenceModel
from longlag.task import Batch


class Linear(Cell):
    """h' = λ h + x."""

    def __init__(self, decay):
        super().__init__(1, 1)
        self.decay = torch.nn.Parameter(torch.tensor(decay, dtype=torch.float64))

    def forward(self, x, state):
        h = self.decay * state[0] + x
        return h, h


def summed(outputs, batch):
    """A loss whose gradient with respect to every output that counts is 1."""
    if outputs.dim() == 3:
        outputs = (outputs * batch.mask[..., None]).sum(1)
    return outputs.sum(1).mean()


@pytest.mark.parametrize(("decay", "L"), [(0.5, 1001), (0.9, 300), (1.0, 50), (1.5, 400), (1e-3, 90)])
def test_a_linear_cell_gives_lambda_to_the_lag(decay, L):
    """Down to 0.5^1000 = 9e-302, whose square no float64 holds, and up to 1.5^399 = 1e70."""
    model = SequenceModel(Linear(decay), 1)
    with torch.no_grad():
        model.readout.weight.fill_(2.0)
    flow = error_flow(model, batch_of(3, L, I=1), summed)
    expected = (math.log10(2) + torch.arange(L, dtype=torch.float64) * math.log10(decay))[:, None].expand(L, 3)
    assert_close(flow.layers[0]["dh"], expected)
    assert_close(flow.layers[0]["dx"], expected)
    assert set(flow.layers[0]) == {"dx", "dh"}  # it has neither a cell state nor, as far as it says, a direct path


def fixed_gates(bias_of_f):
    """Return an LSTM cell that reads x alone: f_t = σ(x_t + bias), i = ½, o = σ(1), g = tanh(x_t)."""
    cell = LSTMCell(1, 2)
    with torch.no_grad():
        cell.W.weight.zero_()
        cell.W.bias.zero_()
        f, g, o = (slice(2 * k, 2 * k + 2) for k in (1, 2, 3))
        cell.W.weight[f, 2] = 1.0
        cell.W.weight[g, 2] = 1.0
        cell.W.bias[f] = bias_of_f
        cell.W.bias[o] = 1.0
    return cell


@pytest.mark.parametrize("bias", [-3.0, 0.0, 3.0])
def test_an_lstm_with_fixed_gates_gives_the_product_of_its_forget_gates(bias):
    """dL/dc_t = dL/dc_T · Π f, dL/dx_t by the chain rule within the step: by hand, at -3 down to 1e-80."""
    L = 60
    model = SequenceModel(fixed_gates(bias), 1)
    with torch.no_grad():
        model.readout.weight.copy_(torch.tensor([[1.0, 2.0]]))
    batch = batch_of(1, L, I=1)
    layer = error_flow(model, batch, summed).layers[0]
    x = batch.inputs[0, :, 0].double().tolist()
    f = [1 / (1 + math.exp(-(x_t + bias))) for x_t in x]
    c, cells = 0.0, []
    for f_t, x_t in zip(f, x, strict=True):
        cells.append(c)
        c = f_t * c + 0.5 * math.tanh(x_t)
    back = (1 / (1 + math.exp(-1.0))) * (1 - math.tanh(c) ** 2)  # dh/dc at the end, for a weight of 1
    dc, dx = [], []
    for t in reversed(range(L)):
        dc.append(math.log10(back * math.sqrt(1 + 4)))
        # two units with the weights 1 and 2 read the same input, and so their errors add up there
        slope = f[t] * (1 - f[t]) * cells[t] + 0.5 * (1 - math.tanh(x[t]) ** 2)
        dx.append(math.log10(abs(3 * back * slope)))
        back *= f[t]
    for name, expected in (("dc", dc), ("dc_direct", dc), ("dx", dx), ("dx_direct", dx)):
        assert_close(layer[name], torch.tensor(expected, dtype=torch.float64)[:, None])
    assert bias > -3 or dc[-1] < -75


@pytest.mark.parametrize("bias", [-1.0, 0.0, 1.0, 3.0, 5.0])
def test_at_initialisation_the_direct_path_of_an_lstm_falls_as_the_logistic_function_of_its_forget_bias(bias):
    """σ(b)^lag: exactly without weights, and with those that it starts with but for what they add to the bias.

    That spreads by about 0.35, and at a large b log σ(b + s) is about −exp(−b − s), whose mean is exp(0.35²/2) = 1.06
    times that of b alone.
    """
    torch.manual_seed(0)
    batch = batch_of(16, 101)
    model = SequenceModel(LSTMCell(2, 32, forget_bias=bias), 2)
    log_f = math.log10(1 / (1 + math.exp(-bias)))
    started = error_flow(model, batch, classified).layers[0]["dc_direct"].mean(1)
    assert ((started[-1] - started[0]) / 100).item() == pytest.approx(log_f, rel=0.1)
    with torch.no_grad():
        model.cells[0].W.weight.zero_()
    exact = error_flow(model, batch, classified).layers[0]["dc_direct"]
    assert_close(exact - exact[0], (torch.arange(101, dtype=torch.float64) * log_f)[:, None].expand(101, 16))


def independent(cells, readout, batch, reads, residual):
    """Return the gradients of each sequence alone, by nudges that are added to x, h and the memory at every step.

    Returns:
        For each layer, name -> [lag][sequence] of norms.

    """
    found = [{name: [] for name in ("dx", "dh", "dc")} for _ in cells]
    for b in range(len(batch.inputs)):
        last = batch.mask[b].nonzero().max().item()
        below = list(batch.inputs[b, : last + 1].double()[:, None])  # [1, I] a step
        nudges = []
        for k, cell in enumerate(cells):
            state, hidden = cell.initial_state(1, dtype=torch.float64), []
            mine = {name: [] for name in found[k]}
            for x in below:
                nudge = torch.zeros_like(x, requires_grad=True)
                mine["dx"].append(nudge)
                state = cell(x + nudge, state)
                state = nudged(cell, state, mine)
                hidden.append(state[0])
            nudges.append(mine)
            below = [h + x for h, x in zip(hidden, below, strict=True)] if residual and k > 0 else hidden
        outputs = readout(below[-1])
        loss = classified(outputs, Batch(None, batch.targets[b : b + 1], None, None))
        for k, mine in enumerate(nudges):
            for name, leaves in mine.items():
                grads = (
                    torch.autograd.grad(loss, leaves, retain_graph=True, allow_unused=True, materialize_grads=True)
                    if leaves
                    else []
                )
                found[k][name].append([grad.abs().square().sum().sqrt().item() for grad in reversed(grads)])
    return found


def nudged(cell, state, mine):
    """Add nudges to h and to the memory, as the next step and the network above will see them."""
    h, c = state
    if not cell.has_cell_state:
        nudge = torch.zeros_like(h, requires_grad=True)
        mine["dh"].append(nudge)
        return h + nudge, h + nudge
    memory = cell.memory(state)
    at_memory = torch.zeros_like(memory, requires_grad=True)
    at_h = torch.zeros_like(h, requires_grad=True)
    mine["dc"].append(at_memory)
    mine["dh"].append(at_h)
    return h + at_h, within(c, memory, memory + at_memory)


def within(c, old, new):
    if isinstance(c, torch.Tensor):
        return new if c is old else c
    return tuple(within(part, old, new) for part in c)


def assert_as_found(flow, expected, names):
    for layer, found in zip(flow.layers, expected, strict=True):
        for name in names:
            if not found[name] or not found[name][0]:
                assert name not in layer
                continue
            for b, norms in enumerate(found[name]):
                mine = layer[name][:, b]
                assert mine[len(norms) :].isnan().all()
                assert_close(mine[: len(norms)], torch.tensor(norms, dtype=torch.float64).log10())


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(("layers", "residual", "reads"), [(1, False, "last"), (2, True, "every"), (3, False, "every")])
def test_every_cell_against_autograd_through_an_independent_loop(name, layers, residual, reads):
    """One sequence at a time, without padding; lengths differ, and with a readout at every step the last target too.

    What a nudge behind the step cannot see is the way from the memory to h within it: see the next test.
    """
    torch.manual_seed(1)
    cells = [made(name, 2 if k == 0 else 8).double() for k in range(layers)]
    model = SequenceModel(cells, 2, readout=reads, residual=residual).double()
    lengths = [12, 7, 1, 12]
    mask = torch.zeros(4, 12, dtype=torch.bool)
    for b, (length, targets) in enumerate(zip(lengths, [[3, 9], [2, 6], [0], [11]], strict=True)):
        mask[b, targets if reads == "every" else [length - 1]] = True
    batch = batch_of(4, 12, lengths=lengths, mask=mask)
    flow = error_flow(model, batch, classified)
    assert_as_found(flow, independent(cells, model.readout, batch, reads, residual), ("dx", "dh"))


@pytest.mark.parametrize("name", CUT_BY_HAND)
def test_the_whole_gradient_of_the_memory_against_autograd_in_plain_pytorch(name):
    """dL/dc_t with the way from c_t to h_t of the same step in it, as retain_grad has it."""
    torch.manual_seed(3)
    cell = made(name).double()
    model = SequenceModel(cell, 2).double()
    batch = batch_of(3, 15)
    layer = error_flow(model, batch, classified).layers[0]
    for b in range(3):
        target = batch.targets[b : b + 1]
        memories, _ = looped(
            cell,
            batch.inputs[b].double(),
            lambda h, target=target: cross_entropy(model.readout(h), target),
            lambda cell, x, state: cell(x, state),
        )
        norms = torch.stack([tensor.grad.abs().square().sum().sqrt() for tensor in reversed(memories)])
        assert_close(layer["dc" if cell.has_cell_state else "dh"][:, b], norms.log10())


def test_padding_does_not_count():
    """Whatever stands behind the end of a sequence, and however long the batch is."""
    torch.manual_seed(6)
    model = SequenceModel(LSTMCell(2, 8), 2)
    batch = batch_of(3, 10, lengths=[10, 4, 7])
    flow = error_flow(model, batch, classified)
    noise = torch.cat([batch.inputs, torch.randn(3, 5, 2)], dim=1)
    noise[:, :10][torch.arange(10) >= batch.lengths[:, None]] = 9.0
    longer = Batch(noise, batch.targets, batch.lengths, torch.nn.functional.pad(batch.mask, (0, 5)))
    for name, values in error_flow(model, longer, classified).layers[0].items():
        assert_close(values, flow.layers[0][name])
    assert (~flow.layers[0]["dx"].isnan()).sum(0).tolist() == [10, 4, 7]


def test_the_model_is_left_as_it_was_even_in_inference_mode_and_under_autocast():
    torch.manual_seed(7)
    model = SequenceModel([LSTMCell(2, 4), LSTMCell(4, 4)], 2)
    before = {name: p.clone() for name, p in model.named_parameters()}
    engines = model.engines
    batch = batch_of(3, 9)
    plain = error_flow(model, batch, classified)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        cast = error_flow(model, batch, classified)
    for k in range(2):
        for name, values in plain.layers[k].items():
            assert torch.equal(cast.layers[k][name], values), name
    assert model.engines is engines
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name])
        assert p.grad is None
        assert p.dtype is torch.float32


def test_an_rnn_over_a_long_lag_is_right_far_below_float32():
    """Against the product of Jacobians written out, at 1e-40 and below."""
    torch.manual_seed(8)
    model = SequenceModel(RNNCell(2, 4), 2)
    batch = batch_of(1, 200)
    W, b = (p.detach().double() for p in model.cells[0].W.parameters())
    h, states = torch.zeros(4, dtype=torch.float64), []
    for x in batch.inputs[0].double():
        h = torch.tanh(W @ torch.cat([h, x]) + b)
        states.append(h)
    scores = (model.readout.weight.double() @ h + model.readout.bias.double()).softmax(0)
    scores[batch.targets[0]] -= 1
    back = model.readout.weight.double().T @ scores
    expected = []
    for h in reversed(states):
        expected.append(back.norm().log10())
        back = W[:, :4].T @ ((1 - h**2) * back)
    layer = error_flow(model, batch, classified).layers[0]
    assert_close(layer["dh"][:, 0], torch.stack(expected).detach())
    assert expected[-1] < -40


def test_a_gradient_of_exactly_zero_is_minus_infinity():
    class Forgetful(Cell):
        def forward(self, x, state):
            h = x + 0 * state[0]
            return h, h

    layer = error_flow(SequenceModel(Forgetful(2, 2), 2), batch_of(2, 5), classified).layers[0]
    assert layer["dh"][0].isfinite().all()
    assert (layer["dh"][1:] == -math.inf).all()


def test_a_module_that_is_no_cell_of_ours_has_the_gradients_that_need_no_claim():
    class Plain(torch.nn.Module):
        hidden_size = 3

        def __init__(self):
            super().__init__()
            self.cell = torch.nn.LSTMCell(2, 3)

        def initial_state(self, batch_size, device=None, dtype=None):
            return (torch.zeros(batch_size, 3, device=device, dtype=dtype),) * 2

        def forward(self, x, state):
            return self.cell(x, state)

    flow = error_flow(SequenceModel(Plain(), 2), batch_of(2, 5), classified)
    assert set(flow.layers[0]) == {"dx", "dh"}
    assert flow.layers[0]["dx"].isfinite().all()


@pytest.mark.parametrize("reads", ["last", "every"])
def test_the_early_gradient_comes_with_it(reads):
    from longlag.flow.early_gradient import early_gradient

    torch.manual_seed(9)
    model = SequenceModel(GRUCell(2, 8), 2, readout=reads)
    batch = batch_of(3, 10, lengths=[10, 4, 7])
    found = error_flow(model, batch, classified).early_gradient
    assert found == pytest.approx(early_gradient(model, batch.inputs, batch.lengths, batch.mask), rel=1e-12, abs=0)


def test_numbers_below_the_smallest_normal_one_are_not_far_off():
    """1e-310 has some digits left, 5e-324 one."""
    given = torch.tensor([[1e-310, 0.0], [5e-324, 0.0], [0.0, 0.0], [3e-200, 4e-200]], dtype=torch.float64)
    found = scaled_log10_norms(given)
    assert found[:2].tolist() == pytest.approx([-310, math.log10(5e-324)], abs=1e-3)
    assert found[2] == -math.inf
    assert found[3].item() == pytest.approx(math.log10(5e-200), abs=1e-12)
