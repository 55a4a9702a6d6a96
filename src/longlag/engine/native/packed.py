"""The weights of our cells in the form that the kernel takes: an affine map for each gate, then a pointwise update."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from longlag.cells import (
    Cell,
    CoupledLSTMCell,
    ForgetLSTM2000Cell,
    GRUCell,
    IRNNCell,
    LSTMCell,
    PeepholeLSTMCell,
    RNNCell,
)
from longlag.engine.native.frame import Packed


def fits(cell: Cell) -> bool:
    """Return whether the kernel has a cell; a subclass may compute something else, so it has none of those."""
    return type(cell) in _CELLS


def names() -> str:
    """Return the cells that the kernel has."""
    return ", ".join(kind.__name__ for kind in _CELLS)


def packed(cell: Cell) -> Packed:
    """Return the weights of a cell as those of one run, with a way for the gradient back to its parameters."""
    kind = _CELLS[type(cell)]
    return kind.pack(cell, kind.update)


def update_of(cell: Cell) -> str:
    """Return the name of the pointwise part of a cell."""
    return _CELLS[type(cell)].update


def gates_of(cell: Cell) -> dict[str, int]:
    """Return which of what the kernel saves are gates of a cell, by their names."""
    return _CELLS[type(cell)].gates


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


class _Kind(NamedTuple):
    """How the kernel has a cell: its pointwise part in ``updates.h``, what packs it, and the gates that this saves."""

    update: str
    pack: Callable[[Any, str], Packed]
    gates: dict[str, int]


_CELLS: dict[type[Cell], _Kind] = {
    LSTMCell: _Kind("Lstm", _one_layer, {"i": 1, "f": 2, "o": 4}),
    PeepholeLSTMCell: _Kind("PeepholeLstm", _peephole, {"i": 1, "f": 2, "o": 4}),
    CoupledLSTMCell: _Kind("CoupledLstm", _one_layer, {"f": 1, "o": 3}),
    ForgetLSTM2000Cell: _Kind("ForgetBlock", _block_2000, {"i": 1, "f": 2, "o": 4}),
    GRUCell: _Kind("Gru", _gru, {"r": 1, "z": 2}),
    RNNCell: _Kind("Rnn", _one_layer, {}),
    IRNNCell: _Kind("Irnn", _one_layer, {}),
}
