"""A run of a cell with all that it went through: its states, and on the way back the gradient of each."""

import functools

import torch
from torch import Tensor

from longlag.cells import Cell
from longlag.engine.native.frame import Call, stacked
from longlag.engine.native.packed import packed


class TapedRun:
    """A cell over its sequences, from its initial state, and as many ways back as are asked for.

    Args:
        cell: one that the kernel has.
        x: inputs [B, T, I], float32 or float64, on the CPU.

    """

    def __init__(self, cell: Cell, x: Tensor) -> None:
        with torch.no_grad():
            self._packed, self._x = stacked([packed(cell)]), x.detach()[None]
            call = Call(self._packed, self._x, None, None)
            B, T, _ = x.shape
            self._rows = x.new_empty(1, T + 1, call.Bp, call.Hp)
            self._saved = x.new_empty(call.Bp // call.rows, T, call.Hu, call.saved // call.Hu, call.rows)
            call.run("forward", h=self._rows, saved=self._saved)
        self.hidden: Tensor = self._rows[0, 1:, :B, : call.H]
        """h of all steps, [T, B, H]."""
        self._call = call

    @functools.cached_property
    def memory(self) -> Tensor:
        """The cell state of all steps, or h where that is the memory, [T, B, H]."""
        return self._by_step(self._saved[..., 0, :])

    def back(self, d_hidden: Tensor, direct: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Send an error back.

        Args:
            d_hidden: what reaches the hidden states from outside, [T, B, H].
            direct: whether it goes back along the direct path alone, through the memory.

        Returns:
            The gradients of the inputs [T, B, I], and the whole ones of h and of the memory at all steps [T, B, H].

        """
        call = Call(self._packed._replace(cut=2) if direct else self._packed, self._x, None, None)
        lanes = (call.Bp // call.rows, len(d_hidden), call.Hu, call.rows)
        dh, dc = self._x.new_empty(lanes), self._x.new_empty(lanes)
        dx = torch.empty_like(self._x, memory_format=torch.contiguous_format)
        d_out = d_hidden.detach().transpose(0, 1)[None]
        call.run("backward", d_out=d_out, h=self._rows, saved=self._saved, d_x=dx, flow_h=dh, flow_c=dc)
        return dx[0].transpose(0, 1), self._by_step(dh), self._by_step(dc)

    def _by_step(self, lanes: Tensor) -> Tensor:
        """Turn [blocks, T, units, rows] into [T, B, H]."""
        T, B, call = lanes.shape[1], self._x.shape[1], self._call
        return lanes.permute(1, 0, 3, 2).reshape(T, call.Bp, call.Hu)[:, :B, : call.H]
