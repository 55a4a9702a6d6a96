"""A modified cell is run by the eager loop, or refused; no fast engine ignores the change."""

import types
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from longlag.cells import GRUCell, LSTMCell, MinGRUCell, PeepholeLSTMCell
from longlag.engine import Eager, Native, Scan, TorchModules, engine_for
from longlag.engine.auto import Auto
from longlag.flow.early_gradient import early_gradient
from longlag.model import SequenceModel


class LowRank(nn.Linear):
    """A frozen layer with a trained addition of rank 1, as LoRA has it."""

    def __init__(self, layer):
        super().__init__(layer.in_features, layer.out_features)
        self.load_state_dict(layer.state_dict())
        self.a = nn.Parameter(torch.full((1, layer.in_features), 0.3))
        self.b = nn.Parameter(torch.full((layer.out_features, 1), 0.3))

    def forward(self, x):
        return super().forward(x) + x @ self.a.T @ self.b.T


def older_weight_norm(cell):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        nn.utils.weight_norm(cell.W)


def older_spectral_norm(cell):
    nn.utils.spectral_norm(cell.W)
    for _ in range(20):  # its power iteration takes one step a call
        cell.W(torch.zeros(1, cell.W.in_features))


def halved(module, inputs, output):
    return output / 2


def halved_states(module, inputs, output):
    return tuple(part / 2 for part in output)


def replaced_layer(cell):
    cell.W = LowRank(cell.W)


def replaced_forward(cell):
    plain = type(cell).forward
    cell.forward = types.MethodType(lambda self, x, state: halved_states(None, None, plain(self, x, state)), cell)


def replaced_units(cell):
    plain = type(cell)._units
    cell._units = types.MethodType(lambda self, x, state: plain(self, x, state)[::-1], cell)


def layer_with_its_own_forward(cell):
    plain = type(cell.W).forward
    cell.W.forward = types.MethodType(lambda self, x: plain(self, x) / 2, cell.W)


CHANGES = {
    "older spectral norm": (older_spectral_norm, "its layer W has hooks"),
    "older weight norm": (older_weight_norm, "its layer W has hooks"),
    "pruning": (lambda cell: prune.l1_unstructured(cell.W, "weight", 0.5), "its layer W has hooks"),
    "a layer of rank 1 beside W": (replaced_layer, "its layer W is a LowRank, not an nn.Linear"),
    "a hook on W": (lambda cell: cell.W.register_forward_hook(halved), "its layer W has hooks"),
    "a hook on the cell": (lambda cell: cell.register_forward_hook(halved_states), "it has hooks"),
    "a backward hook": (lambda cell: cell.W.register_full_backward_hook(lambda *_: None), "its layer W has hooks"),
    "another forward": (replaced_forward, "it has a forward of its own"),
    "other units": (replaced_units, "it has a _units of its own"),
    "another forward of W": (layer_with_its_own_forward, "its layer W has a forward of its own"),
}


@pytest.fixture(params=CHANGES.values(), ids=CHANGES)
def changed(request):
    change, why = request.param
    torch.manual_seed(0)
    cell = LSTMCell(2, 4)
    change(cell)
    return cell, why


def test_auto_trains_it_as_the_eager_loop_does(changed):
    cell, why = changed
    cell.eval()  # the older spectral norm takes a step of its own in training
    x, auto = torch.randn(3, 5, 2, requires_grad=True), Auto()
    results = []
    for engine in (Eager(), auto, auto):  # twice: some changes fail at the second step only
        cell.zero_grad()
        hidden, _ = engine.unroll(cell, x)
        hidden.square().sum().backward()
        results.append([hidden, *(parameter.grad for parameter in cell.parameters())])
    assert str(auto.used) == f"eager: this LSTMCell is modified: {why}"
    assert not torch.equal(results[0][0], Native().unroll(LSTMCell(2, 4), x)[0])
    for again in results[1:]:
        assert all(gradient is not None for gradient in again)
        assert all(torch.equal(a, b) for a, b in zip(results[0], again, strict=True))


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_a_named_engine_refuses_it(changed, engine):
    cell, why = changed
    with pytest.raises(ValueError, match=rf"engine={engine} runs .*this LSTMCell is modified: {why} \(engine=eager"):
        engine_for(engine, cell)


def test_the_probe_measures_it_as_changed(changed):
    cell, _ = changed
    model = SequenceModel(cell, 1).eval()
    x = torch.randn(3, 20, 2)
    measured = early_gradient(model, x)
    read = x.clone().requires_grad_()
    hidden, _ = Eager().unroll(cell, read)
    model.readout(hidden[:, -1]).sum().backward()
    assert measured == pytest.approx(read.grad[:, 0].abs().mean().item(), rel=1e-3)


@pytest.mark.parametrize("kind", [LSTMCell, GRUCell])
def test_a_modern_parametrisation_runs_natively(kind):
    torch.manual_seed(0)
    cell = kind(2, 4)
    parametrizations.weight_norm(cell.W)
    with torch.no_grad():
        cell.W.parametrizations.weight.original0.mul_(2)
    x, results = torch.randn(3, 5, 2), []
    for engine in (Eager(), Native(), TorchModules()):
        assert engine.fits(cell)
        cell.zero_grad()
        hidden, _ = engine.unroll(cell, x)
        hidden.square().sum().backward()
        results.append([hidden, *(parameter.grad for parameter in cell.parameters())])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_the_eager_loop_computes_a_parametrised_weight_once():
    """So a spectral norm takes one step of its power iteration in a call, whichever engine runs."""
    calls = []

    class Counted(nn.Module):
        def forward(self, weight):
            calls.append(1)
            return weight

    cell = LSTMCell(2, 4)
    parametrize.register_parametrization(cell.W, "weight", Counted())
    calls.clear()
    Eager().unroll(cell, torch.randn(3, 50, 2))
    assert len(calls) == 1


def test_a_parametrised_peephole_runs_eagerly():
    cell = PeepholeLSTMCell(2, 4)
    parametrize.register_parametrization(cell, "p_i", nn.Tanh())
    x, auto = torch.randn(3, 5, 2), Auto()
    assert torch.equal(auto.unroll(cell, x)[0], Eager().unroll(cell, x)[0])
    assert auto.used.name == "eager"


def test_a_hook_on_all_modules_fires():
    fired = []
    handle = nn.modules.module.register_module_forward_hook(lambda module, *_: fired.append(type(module)))
    try:
        Auto().unroll(LSTMCell(2, 4), torch.randn(3, 5, 2))
    finally:
        handle.remove()
    assert fired.count(LSTMCell) == 5


def test_a_patched_class_counts(monkeypatch):
    plain = LSTMCell.forward
    monkeypatch.setattr(LSTMCell, "forward", lambda self, x, state: halved_states(None, None, plain(self, x, state)))
    cell, x, auto = LSTMCell(2, 4), torch.randn(3, 5, 2), Auto()
    assert torch.equal(auto.unroll(cell, x)[0], Eager().unroll(cell, x)[0])
    assert str(auto.used) == "eager: this LSTMCell is modified: LSTMCell.forward has been replaced"


def test_the_scan_leaves_hooks_to_the_eager_loop_and_runs_other_layers():
    cell = MinGRUCell(2, 4)
    cell.W = LowRank(cell.W)
    x = torch.randn(3, 5, 2)
    assert Scan().fits(cell)
    torch.testing.assert_close(Scan().unroll(cell, x)[0], Eager().unroll(cell, x)[0])
    cell.W.register_forward_hook(halved)
    assert not Scan().fits(cell)
    with pytest.raises(ValueError, match=r"engine=scan runs .* modified: its layer W has hooks"):
        engine_for("scan", cell)


@pytest.mark.parametrize("kind", [LSTMCell, GRUCell])
def test_a_layer_without_a_bias_runs_by_every_engine(kind):
    torch.manual_seed(0)
    cell = kind(2, 4)
    for name, layer in list(cell.named_children()):
        setattr(cell, name, nn.Linear(layer.in_features, layer.out_features, bias=False))
    x = torch.randn(3, 5, 2)
    wanted, _ = Eager().unroll(cell, x)
    for engine in (Native(), TorchModules(), Auto()):
        torch.testing.assert_close(engine.unroll(cell, x)[0], wanted, rtol=1e-5, atol=1e-6)
