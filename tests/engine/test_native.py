"""The native engine gives what the eager loop gives: values, and gradients of inputs, initial state and parameters."""

import copy

import pytest
import torch
from native_cells import BOUNDS, CELLS, assert_parity, busy, errors, flat, given, nested, parts

from longlag.engine import Native, eager
from longlag.model import SequenceModel


@pytest.mark.parametrize("with_state", [False, True], ids=["from the start", "from a state"])
@pytest.mark.parametrize("T", [1, 2, 7, 100, 1000])
@pytest.mark.parametrize("name", CELLS)
def test_parity_with_the_eager_loop(name, T, with_state):
    """Several blocks of sequences, the last one not full; fewer and more steps than are summed in one go."""
    cell = busy(name, input_size=3, hidden_size=9)
    assert_parity(cell, given(cell, 35, T, with_state))


@pytest.mark.parametrize("name", CELLS)
def test_a_gradient_keeps_its_digits_over_a_thousand_steps(name):
    """At each lag the error is small beside the gradient there, however far that has vanished."""
    cell = busy(name, input_size=3, hidden_size=9, seed=2)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.mul_(0.5)
        if getattr(cell, "forget_gate", None):
            cell.gate_bias(cell.forget_gate).fill_(5.0)
    on = given(cell, 5, 1000, used=(False, True, False))
    wanted = parts(copy.deepcopy(cell).double(), eager.unroll, on)["d_x"]
    at_lag = wanted.norm(dim=(0, 2))
    told = at_lag > 1e-30  # float32 ends a little below
    assert told.sum() == 1000 or name in ("rnn", "irnn")
    # A product of up to a thousand Jacobians, each off by a rounding or two: the eager loop in float32 is 2e-5 off
    for dtype, bound in ((torch.float32, 1e-4), (torch.float64, 1e-12)):
        got = parts(copy.deepcopy(cell).to(dtype), Native().unroll, on)["d_x"]
        assert ((got - wanted).norm(dim=(0, 2)) / at_lag)[told].max() <= bound


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_the_gradient_of_the_weights_is_a_sum_without_many_roundings(name):
    """Of 35,000 products each: a few steps have a sum of their own. In one sum all through it is off by 2e-6."""
    cell = busy(name, input_size=3, hidden_size=9)
    on = given(cell, 35, 1000)
    wanted = parts(copy.deepcopy(cell).double(), eager.unroll, on)
    off = errors(parts(cell, Native().unroll, on), wanted)
    assert max(off[name] for name in off if name.endswith((".weight", ".bias"))) <= 8e-7


def of_model(cells, readout, engine, dtype, x, lengths):
    """Outputs that mean something, and gradients of the inputs and of all parameters."""
    torch.manual_seed(0)
    model = SequenceModel([copy.deepcopy(cell) for cell in cells], 3, readout, engine=engine).to(dtype)
    x = x.to(dtype, copy=True).requires_grad_()
    outputs = model(x, lengths)
    if readout == "every":
        outputs = outputs[torch.arange(x.shape[1]) < lengths[:, None]]
    direction = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    leaves = {"x": x, **dict(model.named_parameters())}
    found = torch.autograd.grad((outputs * direction).sum(), list(leaves.values()))
    return {"outputs": outputs.detach(), **dict(zip(leaves, found, strict=True))}


@pytest.mark.parametrize("readout", ["last", "every"])
@pytest.mark.parametrize("name", CELLS)
def test_parity_of_a_model_on_sequences_of_different_lengths(name, readout):
    """What is in the padding does not matter, and gets no gradient."""
    cells = [busy(name, 2, 6)]
    lengths = torch.randint(1, 12, (37,), generator=torch.Generator().manual_seed(3))
    lengths[:3] = torch.tensor([1, 11, 2])
    x = torch.randn(37, 11, 2, generator=torch.Generator().manual_seed(4))
    padding = torch.arange(11) >= lengths[:, None]
    x[padding] *= 100
    wanted = of_model(cells, readout, "eager", torch.float64, x, lengths)
    for dtype, bound in BOUNDS.items():
        got = of_model(cells, readout, "native", dtype, x, lengths)
        assert max(errors(got, wanted).values()) <= bound
        assert not got["x"][padding].any()


def test_parity_of_cells_on_top_of_each_other():
    cells = [busy("lstm", 2, 6), busy("gru", 6, 5), busy("lstm_peephole", 5, 4)]
    x = torch.randn(7, 11, 2, generator=torch.Generator().manual_seed(4))
    lengths = torch.full((7,), 11)
    wanted = of_model(cells, "last", "eager", torch.float64, x, lengths)
    for dtype, bound in BOUNDS.items():
        assert max(errors(of_model(cells, "last", "native", dtype, x, lengths), wanted).values()) <= bound


@pytest.mark.parametrize("name", [name for name, make in CELLS.items() if not make(1, 2).truncated])
def test_the_gradient_is_that_of_differences(name):
    """Those of the parameters too, which are changed where they are."""
    cell = busy(name, 2, 4).double()
    on = given(cell, 3, 5, with_state=True)
    state = on.state if cell.has_cell_state else on.state[:1]
    leaves = (on.x.requires_grad_(), *(part.requires_grad_() for part in state), *cell.parameters())

    def unrolled(x, h, *others):
        hidden, end = Native().unroll(cell, x, nested(cell, h, *others[: len(state) - 1] or (h,)))
        return hidden, *flat(end)

    assert torch.autograd.gradcheck(unrolled, leaves)
