"""The sequence model: cells + engine + readout."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from longlag.cells import Cell
from longlag.checks import check_number, check_switch, is_number
from longlag.engine import Engine, engine_for

Readout = Literal["last", "every"]


class SequenceModel(nn.Module):
    """A cell, or a stack of them, run from the initial state over a sequence, and a linear readout of the hidden state.

    Args:
        cell: a cell, or several from the input up: each after the first reads the hidden states of the one below.
        output_size: O, the number of outputs.
        readout: ``last`` reads the last valid hidden state, ``every`` reads them all.
        engine: the engine that runs the cells over time: an engine, or a name in :mod:`longlag.engine`.
        dropout: the probability of dropping a hidden unit between two layers, at each step anew; see ``forward``.
        residual: whether each layer after the first adds its inputs to its hidden states.
        readout_bias: whether the readout has a bias.
        readout_range: weights and bias of the readout, and the weights of the shortcut, start uniform in
            [−``readout_range``, ``readout_range``]; ``None``: as PyTorch starts an ``nn.Linear``.
        shortcut: whether the outputs read the inputs of their step too, as in Experiments 2a and 2b of 1997.

    Raises:
        ValueError: there is no such readout or engine, the engine cannot run the cells, ``dropout`` is not a
            probability below 1, ``readout_range`` is not positive, the cells do not fit on top of each other, or they
            do not say how many inputs they have, which a shortcut must know.

    """

    def __init__(
        self,
        cell: Cell | Sequence[Cell],
        output_size: int,
        readout: Readout = "last",
        engine: str | Engine = "auto",
        dropout: float = 0.0,
        residual: bool = False,
        readout_bias: bool = True,
        readout_range: float | None = None,
        shortcut: bool = False,
    ) -> None:
        super().__init__()
        layers = [cell] if isinstance(cell, nn.Module) else list(cell)
        if readout not in ("last", "every"):
            raise ValueError(f"readout must be 'last' or 'every', got {readout!r}")
        if not is_number(dropout) or not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and less than 1, got {dropout!r}")
        check_switch("residual", residual)
        check_switch("readout_bias", readout_bias)
        check_switch("shortcut", shortcut)
        if readout_range is not None:
            check_number("readout_range", readout_range, 0, above=True)
        if not layers:
            raise ValueError("a model needs at least one cell")
        for below, above in pairwise(layers):
            read = getattr(above, "input_size", below.hidden_size)  # a plain module may lack it
            if read != below.hidden_size or (residual and above.hidden_size != read):
                raise ValueError(f"a layer of {above.hidden_size} units cannot stand on one of {below.hidden_size}")
        self.engines: list[Engine] = [engine_for(engine, layer) for layer in layers]
        self.cells = nn.ModuleList(layers)
        self.readout = nn.Linear(layers[-1].hidden_size, output_size, bias=readout_bias)
        self.shortcut = nn.Linear(_inputs_of(layers[0]), output_size, bias=False) if shortcut else None
        if readout_range is not None:
            for part in (*self.readout.parameters(), *(self.shortcut.parameters() if self.shortcut else ())):
                nn.init.uniform_(part, -readout_range, readout_range)
        self.reads: Readout = readout
        self.dropout = dropout
        self.residual = residual

    def forward(self, x: Tensor, lengths: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Map sequences to outputs.

        Args:
            x: inputs [B, L, I], padded at the end where ``lengths`` says so.
            lengths: the valid steps of each sequence [B], from 1 to L; without them, all steps are valid.
            generator: decides which units are dropped; without one, none is.

        Returns:
            Outputs [B, O] for the readout ``last``, [B, L, O] for ``every`` (of padded steps they mean nothing).

        """
        hidden = x
        for k, (cell, engine) in enumerate(zip(self.cells, self.engines, strict=True)):
            read = hidden if k == 0 else self.dropped(hidden, generator)
            hidden, (h, _) = engine.unroll(cell, read)  # [B, L, H], [B, H]
            if self.residual and k > 0:
                hidden, h = hidden + read, h + read[:, -1]
        return self.read(hidden, h, x, lengths)

    def read(self, hidden: Tensor | None, h: Tensor, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Map hidden states to outputs.

        Args:
            hidden: those of all steps [B, L, H]; not read where the last step of all sequences is.
            h: those of the last step [B, H].
            x: the inputs [B, L, I], which only a shortcut reads.
            lengths: the valid steps of each sequence [B]; without them, all steps are valid.

        Returns:
            As :meth:`forward`.

        """
        if self.reads == "every":
            assert hidden is not None
            h = hidden
        elif hidden is not None and lengths is not None and bool((lengths < hidden.shape[1]).any()):
            h = hidden[torch.arange(len(h), device=h.device), lengths - 1]
        out: Tensor = self.readout(h)
        if self.shortcut is not None:
            if self.reads == "last":
                x = x[:, -1] if lengths is None else x[torch.arange(len(x), device=x.device), lengths - 1]
            out = out + self.shortcut(x)
        return out

    def dropped(self, hidden: Tensor, generator: torch.Generator | None) -> Tensor:
        """Return hidden states without those units that the generator drops; ``None`` drops none."""
        if generator is None or self.dropout == 0:
            return hidden
        kept = torch.rand(hidden.shape, generator=generator, device=hidden.device) >= self.dropout
        return hidden * kept / (1 - self.dropout)


def _inputs_of(cell: nn.Module) -> int:
    """Return the number of inputs of a cell.

    Raises:
        ValueError: the cell does not say it.

    """
    size = getattr(cell, "input_size", None)
    if not isinstance(size, int):
        raise ValueError(f"shortcut needs the input_size of the cell, and {type(cell).__name__} has none")
    return size
