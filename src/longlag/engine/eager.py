"""The eager loop: one call of the cell a time step. The reference for every other engine."""

import torch
from torch import Tensor

from longlag.cells import Cell, State


def check(cell: Cell) -> None:
    """Refuse no cell."""


def unroll(cell: Cell, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run ``cell`` over the sequences ``x``.

    Args:
        cell: any cell.
        x: inputs [B, T, I].
        state: where to start; the cell's initial state if none is given.

    Returns:
        The hidden states of all steps [B, T, H], and the final state.

    """
    if state is None:
        state = cell.initial_state(x.shape[0], device=x.device, dtype=x.dtype)
    hidden = []
    for x_t in x.unbind(dim=1):  # [B, I]
        state = cell(x_t, state)
        hidden.append(state[0])
    return torch.stack(hidden, dim=1), state
