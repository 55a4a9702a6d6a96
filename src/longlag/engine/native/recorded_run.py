"""Run cells and record their states, and on the way back the gradient of each state."""

from collections.abc import Sequence

import torch
from torch import Tensor

from longlag.cells import Cell
from longlag.engine.kernel_cells import kernel_cell, packed
from longlag.engine.kernel_weights import stacked
from longlag.engine.native.autograd import Call
from longlag.engine.native.buffers import empty


class RecordedRuns:
    """R cells over their sequences, from their initial states, in float64; :meth:`back` can be called again and again.

    What is recorded stays in the kernel's layout, [R, blocks, T, units, rows]: B sequences fill blocks of rows. The
    units are H and some more, which mean nothing, and so do the rows beyond B.

    Args:
        cells: R cells of one kind and shape that the kernel has, on any device.
        x: inputs [R, B, T, I], on the CPU.

    """

    def __init__(self, cells: Sequence[Cell], x: Tensor) -> None:
        entry = kernel_cell(cells[0])
        assert entry is not None
        self._gates = entry.gates
        self._block = getattr(cells[0], "block_size", 1)  # units that share their gates
        self._H = cells[0].hidden_size
        with torch.no_grad():
            packs = stacked([packed(cell) for cell in cells], "native")
            peepholes = None if packs.peepholes is None else packs.peepholes.to("cpu", torch.float64)
            weights, biases = (part.to("cpu", torch.float64) for part in (packs.weights, packs.biases))
            self._packed = packs._replace(weights=weights, biases=biases, peepholes=peepholes)
            self._x = x.detach().double()
            call = Call(self._packed, self._x, None, None)
            rows, Bp, Zp, Hu, saved = call.layout
            R, self._B, T, _ = x.shape
            self._lanes = (R, Bp // rows, T, Hu, rows)
            self._states = _empty(R, T + 1, Bp, Zp)
            self._saved = _empty(R, Bp // rows, T, Hu, saved // Hu, rows)
            call.forward(self._states, None, None, self._saved)

    @property
    def hidden(self) -> Tensor:
        """The hidden states of all steps, [R, B, T, H]."""
        return self._states[:, 1:, : self._B, : self._H].transpose(1, 2)

    def gates(self) -> dict[str, Tensor]:
        """Return the gates of all steps in the kernel's layout, by their names; blocks instead of units share them."""
        # dense, which makes all later operations faster
        return {name: self._saved[:, :, :, : self._H : self._block, k].contiguous() for name, k in self._gates.items()}

    def back(self, d_hidden: Tensor, direct: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Send an error back.

        Args:
            d_hidden: the error that reaches the hidden states from outside, [R, B, T, H].
            direct: whether the error goes back along the direct path alone, through the memory.

        Returns:
            The gradients of the inputs [R, B, T, I], and the whole gradients of h and of the memory at all steps, in
            the kernel's layout with H units.

        """
        call = Call(self._packed._replace(cut=2) if direct else self._packed, self._x, None, None)
        dh, dc = _empty(*self._lanes), _empty(*self._lanes)
        dx, *_ = call.backward(d_hidden, None, None, (True, *[False] * 5), self._states, self._saved, dh, dc)
        assert dx is not None
        return dx, dh[:, :, :, : self._H], dc[:, :, :, : self._H]


def _empty(*shape: int) -> Tensor:
    """Return an array whose memory is used again by the next measurement, however small it is."""
    return empty(shape, torch.float64, large=0)
