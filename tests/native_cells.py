"""The cells that the native engine has, and what a run of one gives: for the tests that compare engines."""

import copy
from typing import NamedTuple

import torch
from torch import Tensor

from longlag.cells import (
    CoupledLSTMCell,
    ForgetLSTM2000Cell,
    GRUCell,
    IRNNCell,
    LSTMCell,
    PeepholeLSTMCell,
    RNNCell,
)
from longlag.engine import eager, native


def full_2000(input_size, hidden_size):
    return ForgetLSTM2000Cell(input_size, hidden_size, truncate_gates=False)


def blocks_of_two(input_size, hidden_size):
    return ForgetLSTM2000Cell(input_size, hidden_size + hidden_size % 2, block_size=2, cell_bias=True)


CELLS = {
    "lstm": LSTMCell,
    "lstm_peephole": PeepholeLSTMCell,
    "lstm_coupled": CoupledLSTMCell,
    "lstm_forget_2000": ForgetLSTM2000Cell,
    "lstm_forget_2000-full": full_2000,
    "lstm_forget_2000-blocks": blocks_of_two,
    "gru": GRUCell,
    "rnn": RNNCell,
    "irnn": IRNNCell,
}

#: The most that the norm of a difference from the float64 reference may be, as a part of the norm. The sums over a
#: thousand steps of many sequences are off by 3e-6 and 3e-15, those over few steps by a tenth of that.
BOUNDS = {torch.float32: 5e-6, torch.float64: 2e-14}


class Given(NamedTuple):
    """What a cell is run on, in float64."""

    x: Tensor  # [B, T, I]
    state: tuple[Tensor, Tensor] | None
    backs: tuple[Tensor | None, ...]  # the gradients of hidden, h and c; None where that is not used


def busy(name, input_size, hidden_size, seed=0):
    """A cell at whose weights every part of it matters, the peepholes too, and none runs away."""
    torch.manual_seed(seed)
    cell = CELLS[name](input_size, hidden_size)
    reach = 1.5 / (cell.hidden_size + input_size) ** 0.5
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.uniform_(-reach, reach)
    return cell


def given(cell, B, T, with_state=False, used=(True, True, True), seed=0):
    """Sequences, a state and gradients that are the same numbers in float32."""
    draws, H = torch.Generator().manual_seed(seed), cell.hidden_size
    x, h, c, *backs = (
        torch.randn(shape, generator=draws).double()
        for shape in ((B, T, cell.input_size), (B, H), (B, H), (B, T, H), (B, H), (B, H))
    )
    sent = tuple(back if use else None for back, use in zip(backs, used, strict=True))
    return Given(x, (h, c) if with_state else None, sent)


def parts(cell, unroll, on, lay=None, with_dx=True):
    """Name -> outputs, and gradients of the inputs, the initial state and every parameter.

    ``lay`` lays the inputs out in memory in another way, and may make more of them.
    """
    dtype = next(cell.parameters()).dtype
    leaves = {"x": on.x.to(dtype, copy=True).requires_grad_(with_dx), **dict(cell.named_parameters())}
    state = None
    if on.state is not None:
        leaves["h0"], leaves["c0"] = (part.to(dtype, copy=True).requires_grad_() for part in on.state)
        state = leaves["h0"], leaves["c0"] if cell.has_cell_state else leaves["h0"]
    hidden, (h, c) = unroll(cell, leaves["x"] if lay is None else lay(leaves["x"]), state)
    outputs = {"hidden": hidden, "h": h, "c": c}
    sent = [(y, back.to(dtype)) for y, back in zip(outputs.values(), on.backs, strict=True) if back is not None]
    wanted = {name: leaf for name, leaf in leaves.items() if leaf.requires_grad}
    ends, backs = zip(*sent, strict=True)
    found = torch.autograd.grad(ends, list(wanted.values()), backs, allow_unused=True)
    gradients = {
        f"d_{name}": torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(wanted.items(), found, strict=True)
    }
    return {**{name: y.detach() for name, y in outputs.items()}, **gradients}


def errors(got, wanted):
    """Name -> the norm of the difference, as a part of the norm."""
    assert list(got) == list(wanted)
    assert all(got[name].shape == wanted[name].shape for name in got)
    return {name: _relative(got[name].double(), wanted[name].double()) for name in got}


def assert_parity(cell, on, dtypes=tuple(BOUNDS), **layout):
    """Every part is the eager loop's in float64, to the bounds; or in float32 to twice what the eager loop is off."""
    wanted = parts(copy.deepcopy(cell).double(), eager.unroll, on, **layout)
    for dtype in dtypes:
        own = copy.deepcopy(cell).to(dtype)
        got = parts(own, native.unroll, on, **layout)
        assert all(part.dtype is dtype for part in got.values())
        over = {name: off for name, off in errors(got, wanted).items() if not off <= BOUNDS[dtype]}
        if over and dtype is torch.float32:
            loop = errors(parts(own, eager.unroll, on, **layout), wanted)
            over = {name: (off, loop[name]) for name, off in over.items() if not off <= 2 * loop[name]}
        assert not over, f"{dtype}: {over}"


def _relative(got, want):
    scale = want.norm().item()
    return (got - want).norm().item() / (scale if scale > 0 else 1)
