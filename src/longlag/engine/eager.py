"""The eager loop: one call of the cell a time step. The reference for every other engine."""

import torch
from torch import Tensor
from torch.nn.utils import parametrize

from longlag.cells import Cell, State
from longlag.engine.base import Engine


class Eager(Engine):
    """The eager loop, which runs any cell on any device in any precision."""

    name = "eager"

    def fits(self, cell: Cell) -> bool:
        """Return ``True``."""
        return True

    def unroll(self, cell: Cell, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run a cell over sequences; see :meth:`Engine.unroll`."""
        return unroll(cell, x, state)


def unroll(cell: Cell, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run a cell over sequences.

    Args:
        cell: any cell.
        x: inputs [B, T, I].
        state: the state before the first step; the cell's initial state by default.

    Returns:
        The hidden states of all steps [B, T, H], and the final state.

    """
    if state is None:
        state = cell.initial_state(x.shape[0], device=x.device, dtype=x.dtype)
    hidden = []
    with parametrize.cached():  # a weight with a parametrisation is computed once, as the other engines do
        for x_t in x.unbind(dim=1):  # [B, I]
            state = cell(x_t, state)
            hidden.append(state[0])
    return torch.stack(hidden, dim=1), state
