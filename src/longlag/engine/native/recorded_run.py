"""Run a cell and record its states, and on the way back the gradient of each state."""

import torch
from torch import Tensor

from longlag.cells import Cell
from longlag.engine.kernel_cells import kernel_cell, packed
from longlag.engine.native.autograd import Call


class RecordedRun:
    """A cell over its sequences, from its initial state; :meth:`back` can be called any number of times.

    Args:
        cell: one that the kernel has.
        x: inputs [B, T, I], float32 or float64, on the CPU.

    """

    def __init__(self, cell: Cell, x: Tensor) -> None:
        entry = kernel_cell(cell)
        assert entry is not None
        self._gates = entry.gates
        self._block = getattr(cell, "block_size", 1)  # units that share their gates
        with torch.no_grad():
            self._packed, self._x = packed(cell), x.detach()
            call = Call(self._packed, self._x, None, None)
            rows, Bp, Zp, Hu, saved = call.layout
            self.count, T, _ = x.shape
            """How many of the sequences, the first ones, the properties return; all of them by default."""
            self._rows = x.new_empty(T + 1, Bp, Zp)
            self._saved = x.new_empty(Bp // rows, T, Hu, saved // Hu, rows)
            call.forward(self._rows, None, None, self._saved)
        self._H = cell.hidden_size

    @property
    def hidden(self) -> Tensor:
        """The hidden states of all steps, [T, count, H]."""
        return self._rows[1:, : self.count, : self._H]

    @property
    def gates(self) -> dict[str, Tensor]:
        """The gates of all steps, by their names: [T, count, H], or [T, count, blocks] where a block shares them."""
        rows = self._saved.shape[-1]
        saved = self._saved[: -(-self.count // rows)]
        # dense, which makes all later operations faster
        return {
            name: self.by_step(saved[..., k, :].contiguous())[..., :: self._block] for name, k in self._gates.items()
        }

    def back(self, d_hidden: Tensor, direct: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Send an error back.

        Args:
            d_hidden: the error that reaches the hidden states of the first B sequences from outside, [T, B, H].
            direct: whether the error goes back along the direct path alone, through the memory.

        Returns:
            The gradients of the inputs [T, B, I], and the whole gradients of h and of the memory at all steps, in the
            kernel's layout; :meth:`by_step` turns them.

        """
        x, packed = self._x[: d_hidden.shape[1]], self._packed
        call = Call(packed._replace(cut=2) if direct else packed, x, None, None)
        lanes = (call.layout.Bp // call.layout.rows, len(d_hidden), call.layout.Hu, call.layout.rows)
        dh, dc = x.new_empty(lanes), x.new_empty(lanes)
        error = d_hidden.detach().transpose(0, 1)
        states = self._rows[:, : call.layout.Bp].contiguous()
        dx, *_ = call.backward(error, None, None, (True, *[False] * 5), states, self._saved, dh, dc)
        assert dx is not None
        return dx.transpose(0, 1), dh, dc

    def by_step(self, lanes: Tensor) -> Tensor:
        """Turn an array in the kernel's layout, [blocks, T, units, rows], into [T, count, H]."""
        _, T, units, rows = lanes.shape
        blocks = -(-self.count // rows)  # one block needs no copy
        return lanes[:blocks].permute(1, 0, 3, 2).reshape(T, blocks * rows, units)[:, : self.count, : self._H]
