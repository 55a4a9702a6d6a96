"""The two tapes tell the same, and let go of what they held."""

import gc
import weakref

import pytest
import torch
from flows import batch_of
from native_cells import CELLS

from longlag.cells import LSTMCell
from longlag.flow import tape as module
from longlag.flow.error_flow import error_flow
from longlag.flow.tape import EagerTape, NativeTape, tape_of
from longlag.model import SequenceModel


def loss(outputs, batch):
    return outputs.square().sum(1).mean()


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_the_native_engine_gives_the_error_flow_of_the_eager_loop(monkeypatch, name, residual):
    torch.manual_seed(0)
    make = CELLS[name]
    first = make(2, 5)
    model = SequenceModel([first, make(first.hidden_size, first.hidden_size)], 2, residual=residual)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.5, 0.5)
    batch = batch_of(19, 30)
    ours = error_flow(model, batch, loss)
    assert all(type(tape) is NativeTape for tape in ours.tapes)
    monkeypatch.setattr(module.Native, "refusal", lambda self, cell, x: "not now")
    wanted = error_flow(model, batch, loss)
    assert all(type(tape) is EagerTape for tape in wanted.tapes)
    assert ours.early_gradient == pytest.approx(wanted.early_gradient, rel=1e-11)
    for mine, theirs in zip(ours.layers, wanted.layers, strict=True):
        assert mine.keys() == theirs.keys()
        for name, values in theirs.items():
            torch.testing.assert_close(mine[name], values, rtol=0, atol=1e-10, equal_nan=True)
    for mine, theirs in zip(ours.tapes, wanted.tapes, strict=True):
        assert mine.gates.keys() == theirs.gates.keys()
        for name, values in theirs.gates.items():
            torch.testing.assert_close(mine.gates[name], values, rtol=1e-12, atol=1e-14)


def test_without_a_library_the_eager_loop_serves(monkeypatch):
    def none(*_):
        raise module.NoLibraryError("there is none")

    monkeypatch.setattr(module.Native, "prepare", none)
    assert type(tape_of(LSTMCell(2, 3), torch.zeros(1, 1, 2))) is EagerTape


def test_a_tape_lets_go_of_its_run():
    """Its output knows the way back to it, by autograd's graph, which the garbage collector does not see."""
    tape = NativeTape()
    hidden, _ = tape.unroll(LSTMCell(2, 3).double(), torch.randn(4, 6, 2, dtype=torch.float64, requires_grad=True))
    hidden.sum().backward()
    held = weakref.ref(tape.run)
    del tape, hidden
    gc.collect()
    assert held() is None
