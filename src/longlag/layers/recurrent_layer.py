"""A stack of cells that runs over padded sequences, with the state of the last valid step of each."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from longlag.cells import Cell, State
from longlag.cells.state import map_leaves
from longlag.checks import check_number, check_positive
from longlag.engine import Engine, engine_for


class RecurrentLayer(nn.Module):
    """One or more layers of a cell, called as ``torch.nn.LSTM(…, batch_first=True)`` is.

    ::

        lstm = longlag.LSTM(2, 32, num_layers=2)
        outputs, (h, c) = lstm(x, lengths=lengths)

    Each cell has a subclass. The layers start with the weights of the cell, from torch's global generator.

    Args:
        input_size: I, the number of input channels.
        hidden_size: H, the number of hidden units of each layer.
        num_layers: the number of layers; each after the first reads the hidden states of the layer below.
        dropout: the probability with which a hidden unit is dropped between two layers in training mode.
        engine: what runs the cells over time: the name of an engine of :mod:`longlag.engine`, or an engine; ``auto``
            takes the fastest.
        options: arguments of the cell, such as ``forget_bias=3.0``.

    Raises:
        ValueError: a size, ``dropout`` or an option is wrong, or the engine cannot run the cell.

    """

    cell_type: ClassVar[type[Cell]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        engine: str | Engine = "auto",
        **options: Any,
    ) -> None:
        super().__init__()
        check_positive("num_layers", num_layers)
        check_number("dropout", dropout, 0, 1)
        sizes = [input_size, *[hidden_size] * (num_layers - 1)]
        layers = [self.cell_type(size, hidden_size, **options) for size in sizes]
        self.cells = nn.ModuleList(layers)
        self.engines = [engine_for(engine, cell) for cell in layers]
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = dropout

    def forward(
        self, x: Tensor, state: State | None = None, lengths: Tensor | Sequence[int] | None = None
    ) -> tuple[Tensor, State]:
        """Run the layers over sequences.

        Args:
            x: inputs [B, L, I], padded at the end where ``lengths`` says so.
            state: the state to start from, in the form in which it is returned; the cells' initial state by default.
            lengths: the number of valid steps of each sequence [B], each from 1 to L; L for all by default.

        Returns:
            The hidden states of the top layer [B, L, H], zero at padded steps, and the state ``(h, c)`` of the last
            valid step of each sequence. ``h`` is [layers, B, H]. ``c`` is the memory of the cell, a tensor or a nested
            tuple of tensors, each [layers, B, …]; for a cell without a memory of its own, ``h`` again. The cache of
            ``CausalAttention`` has a row for each step; the rows beyond the end of a shorter sequence are NaN.

        Raises:
            ValueError: the inputs or the lengths have another shape, or a length is not from 1 to L.

        """
        steps = self._valid_steps(x, lengths)
        hidden, ends = x, []
        for k, (cell, engine) in enumerate(zip(self.cells, self.engines, strict=True)):
            if k > 0:
                hidden = nn.functional.dropout(hidden, self.dropout, self.training)
            start = None if state is None else map_leaves(lambda part, k=k: part[k], state)
            if steps is None:
                hidden, end = engine.unroll(cell, hidden, start)
            else:
                hidden, end = _unroll_ragged(engine, cell, hidden, start, steps)
            ends.append(end)
        stacked: State = map_leaves(lambda *parts: torch.stack(parts), *ends)
        if steps is None and hidden.requires_grad:
            hidden = hidden.clone()  # the caller may change it in place; an engine may need its own on the way back
        return hidden, stacked

    def extra_repr(self) -> str:
        """Return the sizes."""
        layers = f", num_layers={self.num_layers}" if self.num_layers > 1 else ""
        return f"{self.input_size}, {self.hidden_size}{layers}"

    def _valid_steps(self, x: Tensor, lengths: Tensor | Sequence[int] | None) -> list[int] | None:
        """Return the lengths as integers; ``None`` if all steps are valid."""
        if x.dim() != 3 or x.shape[2] != self.input_size or x.shape[1] < 1:
            raise ValueError(f"inputs must be [B, L, I={self.input_size}] with L of at least 1, got {[*x.shape]}")
        if lengths is None:
            return None
        steps = [int(n) for n in (lengths.tolist() if isinstance(lengths, Tensor) else lengths)]
        B, L = x.shape[:2]
        if len(steps) != B or not all(1 <= n <= L for n in steps):
            raise ValueError(f"lengths must be B={B} integers from 1 to L={L}, got {steps}")
        return None if min(steps) == L else steps


def _unroll_ragged(engine: Engine, cell: Any, x: Tensor, state: State | None, steps: list[int]) -> tuple[Tensor, State]:
    """Run each sequence for its valid steps only.

    This sorts the sequences, the longest first, and runs as many as are left from one length to the next.
    """
    order = torch.tensor(sorted(range(len(steps)), key=lambda b: -steps[b]), device=x.device)
    x = x[order]
    if state is not None:
        state = map_leaves(lambda part: part[order], state)
    outputs, ends, done = [], [], 0
    for length in sorted(set(steps)):
        left, staying = (sum(n >= least for n in steps) for least in (length, length + 1))
        hidden, state = engine.unroll(cell, x[:left, done:length], state)
        outputs.append(nn.functional.pad(hidden, (0, 0, 0, 0, 0, len(steps) - left)))
        ends.append(map_leaves(lambda part, n=staying: part[n:], state))
        state = map_leaves(lambda part, n=staying: part[:n], state)
        done = length
    hidden = nn.functional.pad(torch.cat(outputs, dim=1), (0, 0, 0, x.shape[1] - done))
    back = order.argsort()
    return hidden[back], map_leaves(lambda *parts: _joined(parts)[back], *reversed(ends))


def _joined(parts: Sequence[Tensor]) -> Tensor:
    """Join parts of a batch; where a memory has a row for each step, shorter ones are filled up with NaN."""
    rows = {part.shape[1] for part in parts}
    if len(rows) > 1:
        parts = [nn.functional.pad(part, (0, 0, 0, max(rows) - part.shape[1]), value=torch.nan) for part in parts]
    return torch.cat(list(parts))
