"""The cells that the kernels run: what each of them is there, in one entry.

The kernels of ``native`` and ``triton`` run a cell as an affine map for each gate, then a pointwise update. An entry
names the update and packs the weights; the engines ``native``, ``triton`` and ``torch``, the error flow's recorded run
and the benchmark follow it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

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
)
from longlag.engine.kernel_weights import Packed, blocks_to_units
from longlag.engine.pytorch_internals import modification


@dataclass(frozen=True)
class KernelCell:
    """How the kernels run a cell.

    Args:
        update: the pointwise part: a struct in ``native/csrc/updates.h``, a branch in ``triton/updates.py``.
        gates: gate of the cell -> its place among the vectors that the struct saves for the way back.
        pack: packs the weights of a cell, gate by gate in the order of the struct.
        reads_h: how many of the gates, the first ones, read h; all of them by default.
        torch_mode: ``nn.RNNBase.mode`` of PyTorch's fused module that computes the same, if there is one.

    """

    update: str
    gates: Mapping[str, int]
    pack: "Callable[[Any, KernelCell], Packed]"
    reads_h: int | None = None
    torch_mode: str | None = None


def kernel_cell(cell: Cell) -> KernelCell | None:
    """Return how the kernels run a cell; ``None`` for others, and for a subclass, which may compute something else."""
    entry = KERNEL_CELLS.get(type(cell))
    if isinstance(cell, LSTM1997Cell) and entry is not None and not cell.output_gate:
        return replace(entry, update="Cell1997", gates={"i": 1}, reads_h=0)
    return entry


def unfit(cell: Any) -> str | None:
    """Return why the kernels and PyTorch's fused modules would compute something else than a cell; ``None`` if not."""
    kind = type(cell)
    if kernel_cell(cell) is None:
        return f"{kind.__name__} is none of them"
    change = modification(cell, _FORWARD[kind])
    return None if change is None else f"this {kind.__name__} is modified: {change}"


def packed(cell: Cell) -> Packed:
    """Return the weights of a cell as those of one run; gradients flow back to its parameters."""
    entry = kernel_cell(cell)
    assert entry is not None
    return entry.pack(cell, entry)


def _pack_one_layer(cell: Any, entry: KernelCell) -> Packed:
    """Pack a cell whose ``W`` is all that it has."""
    return _as_packed(cell, entry, cell.W.weight, bias(cell.W))


def _pack_peepholes(cell: PeepholeLSTMCell, entry: KernelCell) -> Packed:
    return _pack_one_layer(cell, entry)._replace(peepholes=torch.cat([cell.p_i, cell.p_f, cell.p_o]))


def _pack_gru(cell: GRUCell, entry: KernelCell) -> Packed:
    """Pack the candidate's part of h and its part of x as two gates."""
    H, I = cell.hidden_size, cell.input_size  # noqa: E741 -- the field's names
    of_h, of_x = nn.functional.pad(cell.V.weight, (0, I)), nn.functional.pad(cell.U.weight, (H, 0))
    biases = torch.cat([bias(layer) for layer in (cell.W, cell.V, cell.U)])
    return _as_packed(cell, entry, torch.cat([cell.W.weight, of_h, of_x]), biases)


def _pack_block_2000(cell: ForgetLSTM2000Cell, entry: KernelCell) -> Packed:
    """Pack the gates of a block as gates of each of its cells."""
    gates, biases = (part.repeat_interleave(cell.block_size, dim=0) for part in (cell.W.weight, bias(cell.W)))
    weights, biases = torch.cat([gates, cell.U.weight]), torch.cat([biases, bias(cell.U)])
    return _as_packed(cell, entry, weights, biases)._replace(cut=int(cell.truncated))


def _pack_block_1997(cell: LSTM1997Cell, entry: KernelCell) -> Packed:
    """Pack the gates of a block as gates of each of its cells; the next step reads those of the first cell."""
    H, block = cell.hidden_size, cell.block_size
    weights = torch.cat([cell.W.weight.repeat_interleave(block, dim=0), cell.U.weight])
    biases = torch.cat([bias(cell.W).repeat_interleave(block), bias(cell.U)])
    if not cell.output_gate:
        return _as_packed(cell, entry, nn.functional.pad(weights, (H, 0)), biases)
    of_h, of_gates, of_x = torch.split(weights, [H, cell.n_gates, cell.input_size], dim=1)
    weights = torch.cat([of_h, blocks_to_units(of_gates, block), of_x], dim=1)
    return _as_packed(cell, entry, weights, biases)._replace(cut=int(cell.truncated), read=2, block=block)


def _as_packed(cell: Cell, entry: KernelCell, weights: Tensor, biases: Tensor) -> Packed:
    reads_h = len(biases) // cell.hidden_size if entry.reads_h is None else entry.reads_h
    return Packed(entry.update, 1, cell.hidden_size, weights, biases, reads_h=reads_h)


def bias(layer: nn.Linear) -> Tensor:
    """Return the bias of a layer, zeros if it has none."""
    return layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias


KERNEL_CELLS: dict[type[Cell], KernelCell] = {
    LSTMCell: KernelCell("Lstm", {"i": 1, "f": 2, "o": 4}, _pack_one_layer, torch_mode="LSTM"),
    PeepholeLSTMCell: KernelCell("PeepholeLstm", {"i": 1, "f": 2, "o": 4}, _pack_peepholes),
    CoupledLSTMCell: KernelCell("CoupledLstm", {"f": 1, "o": 3}, _pack_one_layer),
    RefinedLSTMCell: KernelCell("RefinedLstm", {"f": 1, "r": 2, "o": 4}, _pack_one_layer),
    ForgetLSTM2000Cell: KernelCell("ForgetBlock", {"i": 1, "f": 2, "o": 4}, _pack_block_2000),
    GRUCell: KernelCell("Gru", {"r": 1, "z": 2}, _pack_gru, reads_h=3, torch_mode="GRU"),
    RNNCell: KernelCell("Rnn", {}, _pack_one_layer, torch_mode="RNN_TANH"),
    IRNNCell: KernelCell("Irnn", {}, _pack_one_layer, torch_mode="RNN_RELU"),
    LSTM1997Cell: KernelCell("Block1997", {"i": 1, "o": 2}, _pack_block_1997),
}
_FORWARD = {kind: kind.forward for kind in KERNEL_CELLS}
