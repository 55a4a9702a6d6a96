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
    LSTM1997Cell,
    LSTMCell,
    PeepholeLSTMCell,
    RefinedLSTMCell,
    RNNCell,
)
from longlag.engine import Native, eager


def full_2000(input_size, hidden_size):
    return ForgetLSTM2000Cell(input_size, hidden_size, truncate_gates=False)


def blocks_of_two(input_size, hidden_size):
    return ForgetLSTM2000Cell(input_size, hidden_size + hidden_size % 2, block_size=2, cell_bias=True)


def full_1997(input_size, hidden_size):
    return LSTM1997Cell(input_size, hidden_size, truncate_gates=False)


def blocks_of_three(input_size, hidden_size):
    return LSTM1997Cell(input_size, -(-hidden_size // 3) * 3, block_size=3, biased="gates", truncate_gates=False)


def without_output_gate(input_size, hidden_size):
    return LSTM1997Cell(input_size, hidden_size, output_gate=False)


CELLS = {
    "lstm": LSTMCell,
    "lstm_peephole": PeepholeLSTMCell,
    "lstm_coupled": CoupledLSTMCell,
    "lstm_refine": RefinedLSTMCell,
    "lstm_forget_2000": ForgetLSTM2000Cell,
    "lstm_forget_2000-full": full_2000,
    "lstm_forget_2000-blocks": blocks_of_two,
    "lstm_1997": LSTM1997Cell,
    "lstm_1997-full": full_1997,
    "lstm_1997-blocks": blocks_of_three,
    "lstm_1997-no_output_gate": without_output_gate,
    "gru": GRUCell,
    "rnn": RNNCell,
    "irnn": IRNNCell,
}

#: The most that the norm of a difference from the float64 reference may be, as a part of the norm. Most are off by
#: 5e-7 and 1e-15, over a thousand steps too; small sums of large numbers by more.
BOUNDS = {torch.float32: 5e-6, torch.float64: 2e-14}


class Given(NamedTuple):
    """What a cell is run on, in float64."""

    x: Tensor  # [B, T, I]
    state: tuple[Tensor, ...] | None  # h, c, and the gates that are read
    backs: tuple[Tensor | None, ...]  # the gradients of hidden and of those; None where that is not used


def busy(name, input_size, hidden_size, seed=0):
    """A cell at whose weights every part of it matters, the peepholes too, and none runs away.

    One that forgets nothing adds up what it takes in at a thousand steps; with larger weights its errors would grow as
    those of chaos do.
    """
    torch.manual_seed(seed)
    cell = CELLS[name](input_size, hidden_size)
    reach = 0.04 if name.startswith("lstm_1997") else 1.5 / (cell.hidden_size + input_size) ** 0.5
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.uniform_(-reach, reach)
    return cell


def given(cell, B, T, with_state=False, used=(True, True, True), seed=0):
    """Sequences, a state and gradients that are the same numbers in float32."""
    draws, H = torch.Generator().manual_seed(seed), cell.hidden_size
    read = ((B, cell.n_gates),) if reads_gates(cell) else ()
    x, h, c, *backs = (
        torch.randn(shape, generator=draws).double()
        for shape in ((B, T, cell.input_size), (B, H), (B, H), (B, T, H), (B, H), (B, H), *read, *read)
    )
    gates = [backs.pop()] if read else []
    sent = tuple(back if use else None for back, use in zip(backs, (*used, *[used[2]] * len(gates)), strict=True))
    return Given(x, (h, c, *gates) if with_state else None, sent)


def reads_gates(cell):
    """Whether the gates of the step before are part of its state."""
    return isinstance(cell.initial_state(1)[1], tuple)


def nested(cell, h, c, *gates):
    """A state as the cell has it."""
    return h, (c, *gates) if gates else c if cell.has_cell_state else h


def flat(state):
    """h, c, and the gates that are read."""
    h, c = state
    return (h, *c) if isinstance(c, tuple) else (h, c)


def parts(cell, unroll, on, lay=None, with_dx=True):
    """Name -> outputs, and gradients of the inputs, the initial state and every parameter.

    ``lay`` lays the inputs out in memory in another way, and may make more of them.
    """
    dtype = next(cell.parameters()).dtype
    leaves = {"x": on.x.to(dtype, copy=True).requires_grad_(with_dx), **dict(cell.named_parameters())}
    state = None
    if on.state is not None:
        leaves |= {
            name: part.to(dtype, copy=True).requires_grad_()
            for name, part in zip(("h0", "c0", "y0"), on.state, strict=False)
        }
        state = nested(cell, *(leaves[name] for name in ("h0", "c0", "y0") if name in leaves))
    hidden, end = unroll(cell, leaves["x"] if lay is None else lay(leaves["x"]), state)
    outputs = dict(zip(("hidden", "h", "c", "y"), (hidden, *flat(end)), strict=False))
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
        got = parts(own, Native().unroll, on, **layout)
        assert all(part.dtype is dtype for part in got.values())
        over = {name: off for name, off in errors(got, wanted).items() if not off <= BOUNDS[dtype]}
        if over and dtype is torch.float32:
            loop = errors(parts(own, eager.unroll, on, **layout), wanted)
            over = {name: (off, loop[name]) for name, off in over.items() if not off <= 2 * loop[name]}
        assert not over, f"{dtype}: {over}"


def _relative(got, want):
    scale = want.norm().item()
    return (got - want).norm().item() / (scale if scale > 0 else 1)
