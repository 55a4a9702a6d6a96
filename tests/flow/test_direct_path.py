"""The error along the direct path alone, against loops in which all other paths are cut."""

import pytest
import torch
from flows import CUT_BY_HAND, assert_close, batch_of, classified, looped, made
from torch.nn.functional import cross_entropy

from longlag.cells import LSTM1997Cell, LSTMCell, PeepholeLSTMCell, RNNCell
from longlag.cells.lstm_forget_2000 import ForgetLSTM2000Cell
from longlag.flow.error_flow import error_flow
from longlag.model import SequenceModel


def cut(cell, x, state):
    """Make a step in which all of the state but the memory is constant."""
    memory = cell.memory(state)

    def without_grad(part):
        if isinstance(part, torch.Tensor):
            return part if part is memory else part.detach()
        return tuple(map(without_grad, part))

    return cell(x, without_grad(state))


def cut_gru(cell, x, state):
    h, constant = state[0], (state[0].detach(),) * 2
    z = cell.gates(x, constant)["z"]
    proposed = cell(x, constant)[0] - z * constant[0]  # (1 − z) ⊙ n
    h = z.detach() * (h - constant[0]) + z * constant[0] + proposed
    return h, h


def cut_peephole(cell, x, state):
    h, c = state
    constant = (h.detach(), c.detach())
    f = cell.gates(x, constant)["f"]
    added = cell(x, constant)[1] - f * constant[1]  # i ⊙ g
    c = f.detach() * (c - constant[1]) + f * constant[1] + added
    o = torch.sigmoid(cell.W(torch.cat([constant[0], x], dim=-1)).chunk(4, dim=-1)[3] + cell.p_o * c)
    return o * torch.tanh(c), c


@pytest.mark.parametrize("name", [*CUT_BY_HAND, "gru", "lstm_peephole"])
def test_the_direct_path_is_what_is_left_when_all_other_paths_are_cut(name):
    torch.manual_seed(2)
    cell = made(name).double()
    if name == "lstm_peephole":
        for peephole in (cell.p_i, cell.p_f, cell.p_o):
            torch.nn.init.normal_(peephole)
    model = SequenceModel(cell, 2).double()
    batch = batch_of(3, 15)
    layer = error_flow(model, batch, classified).layers[0]
    step = {"gru": cut_gru, "lstm_peephole": cut_peephole}.get(name, cut)
    for b in range(3):
        target = batch.targets[b : b + 1]
        memories, inputs = looped(
            cell, batch.inputs[b].double(), lambda h, target=target: cross_entropy(model.readout(h), target), step
        )
        for name_, tensors in (("dc_direct", memories), ("dx_direct", inputs)):
            norms = [tensor.grad.abs().square().sum().sqrt() for tensor in reversed(tensors)]
            assert_close(layer[name_][:, b], torch.stack(norms).log10())


@pytest.mark.parametrize("kind", [LSTM1997Cell, ForgetLSTM2000Cell])
def test_the_direct_path_of_a_block_cell_is_its_published_gradient(kind):
    """Truncated as published, whole and direct are the same; the direct path of the untruncated cell is that too."""
    torch.manual_seed(4)
    cells = [kind(2 if k == 0 else 6, 6, block_size=2) for k in range(2)]
    others = [kind(2 if k == 0 else 6, 6, block_size=2, truncate_gates=False) for k in range(2)]
    for cell, other in zip(cells, others, strict=True):
        other.load_state_dict(cell.state_dict())
    truncated, whole = SequenceModel(cells, 2), SequenceModel(others, 2)
    whole.readout.load_state_dict(truncated.readout.state_dict())
    batch = batch_of(3, 20)
    published, full = (error_flow(model, batch, classified).layers for model in (truncated, whole))
    for k in range(2):
        for name in ("dx", "dc"):
            assert_close(published[k][f"{name}_direct"], published[k][name])
            assert_close(full[k][f"{name}_direct"], published[k][name])
            assert not torch.allclose(full[k][name], published[k][name], atol=1e-4)


@pytest.mark.parametrize("name", ["lru", "min_lstm", "min_gru"])
def test_a_cell_that_is_linear_in_its_state_has_no_other_path(name):
    torch.manual_seed(5)
    layer = error_flow(SequenceModel(made(name), 2), batch_of(3, 20), classified).layers[0]
    assert_close(layer["dx_direct"], layer["dx"])
    assert_close(layer["dc_direct"], layer["dc" if name == "lru" else "dh"])


def test_peepholes_are_another_path():
    torch.manual_seed(10)
    cell = PeepholeLSTMCell(2, 8)
    torch.nn.init.normal_(cell.p_f)
    layer = error_flow(SequenceModel(cell, 2), batch_of(2, 9), classified).layers[0]
    assert not torch.allclose(layer["dc"][1:], layer["dc_direct"][1:], atol=1e-3)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("reads", ["last", "every"])
def test_through_a_stack_the_path_is_direct_in_every_layer(residual, reads):
    """Against one loop over three layers in which every h of the step before is cut."""
    torch.manual_seed(11)
    cells = [LSTMCell(2 if k == 0 else 6, 6).double() for k in range(3)]
    model = SequenceModel(cells, 2, residual=residual, readout=reads).double()
    batch = batch_of(2, 12)
    layers = error_flow(model, batch, classified).layers
    for b in range(2):
        read = [x[None].requires_grad_() for x in batch.inputs[b].double()]
        memories, inputs = [], []
        for k, cell in enumerate(cells):
            inputs.append([x.view_as(x) for x in read])  # what goes into the layer, and not past it
            state, hidden, kept = cell.initial_state(1, dtype=torch.float64), [], []
            for x in inputs[-1]:
                x.retain_grad()
                state = cut(cell, x, state)
                if state[1].requires_grad:
                    state[1].retain_grad()
                hidden.append(state[0])
                kept.append(state[1])
            memories.append(kept)
            read = [h + x for h, x in zip(hidden, read, strict=True)] if residual and k > 0 else hidden
        cross_entropy(model.readout(read[-1]), batch.targets[b : b + 1]).backward()
        for layer, kept, given in zip(layers, memories, inputs, strict=True):
            for name, tensors in (("dc_direct", kept), ("dx_direct", given)):
                norms = [torch.zeros(()).double() if t.grad is None else t.grad.norm() for t in reversed(tensors)]
                assert_close(layer[name][:, b], torch.stack(norms).log10())


def test_a_layer_without_a_direct_path_ends_those_of_the_layers_below_it():
    torch.manual_seed(12)
    above = error_flow(SequenceModel([RNNCell(2, 4), LSTMCell(4, 4)], 2), batch_of(2, 6), classified).layers
    assert "dc_direct" not in above[0]
    assert above[1]["dc_direct"].isfinite().all()
    below = error_flow(SequenceModel([LSTMCell(2, 4), RNNCell(4, 4)], 2), batch_of(2, 6), classified).layers
    assert all("dc_direct" not in layer for layer in below)
