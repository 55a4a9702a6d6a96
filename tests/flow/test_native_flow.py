"""The native engine and the eager loop measure the same error flow."""

import pytest
import torch
from flows import batch_of, classified
from native_cells import CELLS

from longlag.engine.native import NoLibraryError
from longlag.flow.eager_flow import eager_flow
from longlag.flow.error_flow import error_flow, error_flows
from longlag.flow.native_flow import Native, runs_natively
from longlag.model import SequenceModel


def loss(outputs, batch):
    return outputs.square().flatten(1).sum(1).mean()


def stack(name, residual=False, seed=0, **options):
    torch.manual_seed(seed)
    make = CELLS[name]
    first = make(2, 5)
    model = SequenceModel([first, make(first.hidden_size, first.hidden_size)], 2, residual=residual, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.5, 0.5)
    return model


def assert_same_flow(ours, wanted):
    assert ours.early_gradient == pytest.approx(wanted.early_gradient, rel=1e-11)
    for mine, theirs in zip(ours.layers, wanted.layers, strict=True):
        assert mine.keys() == theirs.keys()
        for name, values in theirs.items():
            torch.testing.assert_close(mine[name], values, rtol=0, atol=1e-10, equal_nan=True)
    for mine, theirs in zip(ours.gates, wanted.gates, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_the_native_engine_gives_the_error_flow_of_the_eager_loop(name, residual):
    model = stack(name, residual)
    assert runs_natively(model)
    lengths = [30 - k % 7 for k in range(19)]
    for batch in (batch_of(19, 30), batch_of(19, 30, lengths=lengths)):
        assert_same_flow(error_flow(model, batch, loss), eager_flow(model, batch, loss))


def test_also_with_a_readout_at_every_step():
    model = stack("lstm", readout="every")
    mask = torch.arange(12) % 4 == torch.arange(5)[:, None] % 4
    batch = batch_of(5, 12, mask=mask)
    assert_same_flow(error_flow(model, batch, classified), eager_flow(model, batch, classified))


@pytest.mark.parametrize("name", CELLS)
def test_a_model_gets_the_bits_among_others_that_it_gets_alone(name):
    models = [stack(name, seed=seed) for seed in range(4)]
    with torch.no_grad():
        models[2].cells[0].W.weight.mul_(1e-70)  # of squares that underflow
    batches = [batch_of(9, 30, lengths=[30 - (k + seed) % 9 for k in range(9)], seed=seed) for seed in range(4)]
    together = error_flows(models, batches, [loss] * 4)
    torch.set_num_threads(2)
    alone = [error_flow(model, batch, loss) for model, batch in zip(models, batches, strict=True)]
    torch.set_num_threads(1)
    for one, other in zip(together, alone, strict=True):
        assert (one.early_gradient, one.gates) == (other.early_gradient, other.gates)
        for mine, theirs in zip(one.layers, other.layers, strict=True):
            assert mine.keys() == theirs.keys()
            assert all(
                mine[key].equal(theirs[key]) or mine[key].nan_to_num(7).equal(theirs[key].nan_to_num(7)) for key in mine
            )


def test_without_a_library_the_eager_loop_serves(monkeypatch):
    def none(*_):
        raise NoLibraryError("there is none")

    model = stack("lstm")
    monkeypatch.setattr(Native, "prepare", none)
    assert not runs_natively(model)
