"""The sequence model: cell + engine + readout."""

from typing import Literal

import torch
from torch import Tensor, nn

from longlag.cells import Cell
from longlag.engine import engine_named

Readout = Literal["last", "every"]


class SequenceModel(nn.Module):
    """A cell, run from its initial state over a sequence, and a linear readout of its hidden state.

    Args:
        cell: any cell.
        output_size: O, the number of outputs.
        readout: ``last`` reads the last valid hidden state, ``every`` reads them all.
        engine: how the cell is run over time; see :mod:`longlag.engine`.

    """

    def __init__(self, cell: Cell, output_size: int, readout: Readout = "last", engine: str = "auto") -> None:
        super().__init__()
        if readout not in ("last", "every"):
            raise ValueError(f"readout must be 'last' or 'every', got {readout!r}")
        self.unroll = engine_named(engine)
        self.cell = cell
        self.readout = nn.Linear(cell.hidden_size, output_size)
        self.reads: Readout = readout

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map sequences to outputs.

        Args:
            x: inputs [B, L, I], padded at the end where ``lengths`` says so.
            lengths: how many steps of each sequence are valid [B], each from 1 to L; all of them if none are given.

        Returns:
            Outputs [B, O] for the readout ``last``, [B, L, O] for ``every`` (those of padded steps mean nothing).

        """
        hidden, (h, _) = self.unroll(self.cell, x)  # [B, L, H], [B, H]
        if self.reads == "every":
            h = hidden
        elif lengths is not None and bool((lengths < x.shape[1]).any()):
            h = hidden[torch.arange(len(x), device=x.device), lengths - 1]
        out: Tensor = self.readout(h)
        return out
