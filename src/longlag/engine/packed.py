"""Cells in the form that the kernels of ``native`` and ``triton`` take: an affine map a gate, then a pointwise update.

The updates, and the order of their gates, are those of ``native/updates.h``.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from longlag.cells import (
    Cell,
    CoupledLSTMCell,
    ForgetLSTM2000Cell,
    GRUCell,
    IRNNCell,
    LSTM1997Cell,
    LSTMCell,
    PeepholeLSTMCell,
    RefinedLSTMCell,
    RNNCell,
    State,
)


class Packed(NamedTuple):
    """The weights of R cells of one shape, one after the other; of each a gate after the other.

    Args:
        update: the pointwise part, by its name in ``updates.h``.
        runs: R.
        hidden: H.
        weights: [R·G·H, Q·H + I], where Q is 1 + ``read``.
        biases: [R·G·H].
        peepholes: [R·P·H], or ``None``.
        cut: 1 if no error goes back through ``h`` and what is read with it, 2 if neither through peepholes at the step
            before.
        read: how many gates of all units the next step reads, after ``h``.
        block: the number of units that share their gates; what is read are those of the first of them.

    """

    update: str
    runs: int
    hidden: int
    weights: Tensor
    biases: Tensor
    peepholes: Tensor | None = None
    cut: int = 0
    read: int = 0
    block: int = 1


def fits(cell: Cell) -> bool:
    """Return whether the kernel has a cell; a subclass may compute something else, so it has none of those."""
    return type(cell) in _CELLS


def names() -> str:
    """Return the cells that the kernel has."""
    return ", ".join(kind.__name__ for kind in _CELLS)


def packed(cell: Cell) -> Packed:
    """Return the weights of a cell as those of one run, with a way for the gradient back to its parameters."""
    kind = _kind(cell)
    return kind.pack(cell, kind.update)


def update_of(cell: Cell) -> str:
    """Return the name of the pointwise part of a cell."""
    return _kind(cell).update


def gates_of(cell: Cell) -> dict[str, int]:
    """Return which of what the kernel saves are gates of a cell, by their names."""
    return _kind(cell).gates


def stacked(packs: Sequence[Packed]) -> Packed:
    """Return the weights of several runs as one.

    Raises:
        ValueError: they are not of one kind and shape.

    """
    first = packs[0]
    if len(packs) == 1:
        return first
    kinds = {(pack.update, pack.hidden, pack.weights.shape, pack.cut, pack.block) for pack in packs}
    if len(kinds) > 1:
        raise ValueError("engine=native runs cells of one kind and shape at once")
    weights, biases = (torch.cat([getattr(pack, name) for pack in packs]) for name in ("weights", "biases"))
    peepholes = [pack.peepholes for pack in packs if pack.peepholes is not None]
    return first._replace(
        runs=len(packs), weights=weights, biases=biases, peepholes=torch.cat(peepholes) if peepholes else None
    )


def check_shapes(
    packed: Packed, x: Tensor, h0: Tensor | None, c0: Tensor | None, engine: str = "native", alone: bool = True
) -> None:
    """Check what a kernel takes on trust.

    Args:
        packed: the weights.
        x: inputs.
        h0: where to start.
        c0: likewise.
        engine: whose kernel it is.
        alone: whether it takes a run without the axis of the runs.

    Raises:
        ValueError: a size, a type or a device is not the one that goes with the others.

    """
    _, R, H, weights, biases, peepholes, _, read, _ = packed
    read_of_units = (1 + read) * H
    shape, inputs = x.shape, weights.shape[1] - read_of_units
    one = alone and R == 1 and len(shape) != 4
    if len(shape) != 4 - one or shape[-1] != inputs or shape[-2] == 0 or (not one and shape[0] != R):
        wanted = f"[{'' if one else f'R={R}, '}B, T, I={inputs}]"
        raise ValueError(f"engine={engine} wants inputs {wanted} of at least one step; got {[*shape]}")
    for start, units in ((h0, read_of_units), (c0, H)):
        if start is not None and start.shape != (*shape[:-2], units):
            size = f"H={H}" if units == H else f"H + gates={units}"
            wanted = f"[{'' if one else f'R={R}, '}B={shape[-3]}, {size}]"
            raise ValueError(f"engine={engine} wants states {wanted}; got {[*start.shape]}")
    dtype, device = x.dtype, x.device
    for array in (weights, biases, peepholes, h0, c0):
        if array is not None and (array.dtype is not dtype or array.device != device):
            raise ValueError(
                f"engine={engine} wants inputs, states and weights of one type on one device; "
                f"got {dtype} on {device} and {array.dtype} on {array.device}"
            )


def check_one_derivative(engine: str) -> None:
    """Check on the way back that nobody wants to differentiate it: what it gives would be taken for a constant.

    Raises:
        RuntimeError: somebody does.

    """
    if torch.is_grad_enabled():
        raise RuntimeError(f"engine={engine} has no second derivative, as create_graph=True wants it; engine=eager has")


def run_packed(
    unroll: Callable[[Packed, Tensor, Tensor | None, Tensor | None], tuple[Tensor, Tensor, Tensor]],
    weights: Packed,
    own: bool,
    x: Tensor,
    state: State | None,
) -> tuple[Tensor, State]:
    """Run packed cells, from a state to a state as cells have them.

    Args:
        unroll: runs them, from h and the gates that are read [R, B, Q·H] and the memory [R, B, H]: see
            ``unroll_packed`` of the engines.
        weights: the cells.
        own: whether they have a cell state; for others the memory is h.
        x: inputs [R, B, T, I].
        state: where to start, [R, B, …] each; zeros if none is given.

    Returns:
        The hidden states of all steps [R, B, T, H], and the final states, [R, B, …] each.

    """
    h0, c0 = (None, None) if state is None else (state[0], state[1] if own else state[0])
    if not weights.read:
        hidden, h, c = unroll(weights, x, h0, c0)
        return hidden, (h, c if own else h)
    if state is not None:
        c0, gates = state[1]
        h0 = torch.cat([state[0], _of_first(gates, weights.block)], dim=-1)
    hidden, h, c = unroll(weights, x, h0, c0)
    h, gates = torch.split(h, [weights.hidden, weights.read * weights.hidden], dim=-1)
    return hidden, (h, (c, gates[..., :: weights.block]))


def _one_layer(cell: Any, update: str) -> Packed:
    """Pack a cell whose ``W`` is all that it has."""
    return Packed(update, 1, cell.hidden_size, cell.W.weight, _bias(cell.W))


def _bias(layer: nn.Linear) -> Tensor:
    return layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias


def _peephole(cell: PeepholeLSTMCell, update: str) -> Packed:
    return _one_layer(cell, update)._replace(peepholes=torch.cat([cell.p_i, cell.p_f, cell.p_o]))


def _gru(cell: GRUCell, update: str) -> Packed:
    """Take the candidate's part of h and that of x as two gates."""
    H, I = cell.hidden_size, cell.input_size  # noqa: E741 -- the field's names
    of_h, of_x = nn.functional.pad(cell.V.weight, (0, I)), nn.functional.pad(cell.U.weight, (H, 0))
    biases = torch.cat([_bias(layer) for layer in (cell.W, cell.V, cell.U)])
    return Packed(update, 1, H, torch.cat([cell.W.weight, of_h, of_x]), biases)


def _block_2000(cell: ForgetLSTM2000Cell, update: str) -> Packed:
    """Give every cell of a block the gates of the block, as weights of its own."""
    gates, biases = (part.repeat_interleave(cell.block_size, dim=0) for part in (cell.W.weight, _bias(cell.W)))
    weights, biases = torch.cat([gates, cell.U.weight]), torch.cat([biases, _bias(cell.U)])
    return Packed(update, 1, cell.hidden_size, weights, biases, cut=int(cell.truncated))


def _block_1997(cell: LSTM1997Cell, update: str) -> Packed:
    """Give every cell of a block the gates of the block; what is read of them are those of its first cell."""
    H, block = cell.hidden_size, cell.block_size
    weights = torch.cat([cell.W.weight.repeat_interleave(block, dim=0), cell.U.weight])
    biases = torch.cat([_bias(cell.W).repeat_interleave(block), _bias(cell.U)])
    if not cell.output_gate:
        return Packed(update, 1, H, nn.functional.pad(weights, (H, 0)), biases)
    of_h, of_gates, of_x = torch.split(weights, [H, cell.n_gates, cell.input_size], dim=1)
    weights = torch.cat([of_h, _of_first(of_gates, block), of_x], dim=1)
    return Packed(update, 1, H, weights, biases, cut=int(cell.truncated), read=2, block=block)


def _of_first(gates: Tensor, block: int) -> Tensor:
    """Give the gates of blocks [..., gates] to the first cell of each, [..., gates · block], and none to the others."""
    return gates if block == 1 else nn.functional.pad(gates[..., None], (0, block - 1)).flatten(-2)


class _Kind(NamedTuple):
    """How the kernel has a cell: its pointwise part in ``updates.h``, what packs it, and the gates that this saves."""

    update: str
    pack: Callable[[Any, str], Packed]
    gates: dict[str, int]


_CELLS: dict[type[Cell], _Kind] = {
    LSTMCell: _Kind("Lstm", _one_layer, {"i": 1, "f": 2, "o": 4}),
    PeepholeLSTMCell: _Kind("PeepholeLstm", _peephole, {"i": 1, "f": 2, "o": 4}),
    CoupledLSTMCell: _Kind("CoupledLstm", _one_layer, {"f": 1, "o": 3}),
    RefinedLSTMCell: _Kind("RefinedLstm", _one_layer, {"f": 1, "r": 2, "o": 4}),
    ForgetLSTM2000Cell: _Kind("ForgetBlock", _block_2000, {"i": 1, "f": 2, "o": 4}),
    GRUCell: _Kind("Gru", _gru, {"r": 1, "z": 2}),
    RNNCell: _Kind("Rnn", _one_layer, {}),
    IRNNCell: _Kind("Irnn", _one_layer, {}),
    LSTM1997Cell: _Kind("Block1997", _block_1997, {"i": 1, "o": 2}),
}
_NO_OUTPUT_GATE = _Kind("Cell1997", _block_1997, {"i": 1})


def _kind(cell: Cell) -> _Kind:
    if isinstance(cell, LSTM1997Cell) and not cell.output_gate:
        return _NO_OUTPUT_GATE
    return _CELLS[type(cell)]
