"""A tape records the run of a layer over time, step by step, and gives its gradients and its gates."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from longlag.cells import Cell, GatedCell, State
from longlag.cells.state import map_leaves
from longlag.engine import Engine
from longlag.flow.gradients import gradients

#: What belongs to all steps: [L, B, …], or one tensor [B, …] a step where a memory grows.
Steps = Tensor | Sequence[Tensor]


def has_direct_path(cell: Any) -> bool:
    """Return whether a cell declares a direct path."""
    kind = type(cell)
    if not isinstance(cell, Cell) or kind.direct_path is Cell.direct_path:  # which is None
        return False
    gated = isinstance(cell, GatedCell) and kind.direct_path is GatedCell.direct_path
    return not (gated and cell.forget_gate is None)


class Tape(Engine):
    """An engine that records its run by the eager loop, for any cell; autograd gives the gradients. It serves one call.

    The rest of the network reads ``hidden`` alone, so the gradient of ``hidden`` is the error that enters the layer
    from outside, and the gradient of ``inputs`` the error that the steps of the layer send back.
    """

    name = "tape"
    cell: Cell
    inputs: Tensor
    """The inputs of the cell, [B, L, I]."""
    hidden: Tensor
    """[B, L, H]."""

    states: list[State]
    """The L + 1 states, the initial one first."""

    def fits(self, cell: Any) -> bool:
        """Return ``True``."""
        return True

    def unroll(self, cell: Cell, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run ``cell`` over the sequences ``x`` [B, L, I] from its initial state."""
        self.cell, self.inputs = cell, x.view_as(x)
        self.states = [cell.initial_state(len(x), device=x.device, dtype=x.dtype) if state is None else state]
        for x_t in self.inputs.unbind(1):
            self.states.append(cell(x_t, self.states[-1]))
        self.hidden = torch.stack([h for h, _ in self.states[1:]], dim=1)
        return self.hidden, (self.hidden[:, -1], self.states[-1][1])

    def recorded(self) -> dict[str, list[Tensor]]:
        """Return h and the memory of each step."""
        tensors = {"dh": [h for h, _ in self.states[1:]]}
        if getattr(self.cell, "has_cell_state", False):
            tensors["dc"] = [self.cell.memory(state) for state in self.states[1:]]
        return tensors

    def keep(self, count: int) -> None:
        """Forget all sequences but the first ``count``."""
        self.inputs, self.hidden = self.inputs[:count], self.hidden[:count]
        self.states = [map_leaves(lambda leaf: leaf[:count], state) for state in self.states]

    @functools.cached_property
    def _at_once(self) -> tuple[Tensor, State]:
        """The inputs [L·B, I] and the states before them, all steps of all sequences as one batch, detached."""
        return self.inputs.detach().transpose(0, 1).flatten(0, 1), map_leaves(_joined, *self.states[:-1])

    @functools.cached_property
    def gates(self) -> dict[str, Tensor]:
        """The gates of all steps of all sequences, by their names, [L, B, …]; empty for a cell without gates."""
        if not isinstance(self.cell, GatedCell):
            return {}
        with torch.no_grad():
            gates = self.cell.gates(*self._at_once)
        return {name: gate.view(-1, len(self.inputs), *gate.shape[1:]) for name, gate in gates.items()}

    def direct(self, error: Steps) -> dict[str, Tensor]:
        """Return the gradients along the direct path: ``dx_direct`` for the inputs, ``dc_direct`` for the memory.

        Args:
            error: the error at the hidden states from outside of the layer, [L, B, H].

        Returns:
            [L, B, …] each; empty if the cell has no direct path.

        """
        factors = self._factors()
        if factors is None:
            return {}
        x, before = self._at_once
        x = x.detach().requires_grad_()
        after = self.cell(x, before)
        h, memory = after[0], self.cell.memory(after)
        from_outside = torch.cat(list(error))
        local = gradients([h], [memory], [from_outside])[0]  # [L·B, …]
        steps = (len(error), -1, *memory.shape[1:])
        later, through = torch.zeros_like(local.view(steps)[0]), []
        for here, factor in zip(
            reversed(local.view(steps)), reversed(factors.expand_as(memory).reshape(steps)), strict=True
        ):
            through.append(later)  # the error that the next step sends back to this memory
            later = factor.conj() * (here + later)
        carried = torch.cat(through[::-1])
        dx = gradients([h, memory], [x], [from_outside, carried])[0]
        direct = {"dx_direct": dx, "dc_direct": local + carried}
        return {name: part.view(*steps[:2], *part.shape[1:]) for name, part in direct.items()}

    def _factors(self) -> Tensor | None:
        """Return the factors of the memory along the direct path, for all steps; ``None`` without a direct path."""
        if not has_direct_path(self.cell):
            return None
        if isinstance(self.cell, GatedCell) and type(self.cell).direct_path is GatedCell.direct_path:
            return self.gates[str(self.cell.forget_gate)].flatten(0, 1)  # computed already
        with torch.no_grad():
            return self.cell.direct_path(*self._at_once)


def _joined(*parts: Tensor) -> Tensor:
    """Return the parts [B, …] of several states as one batch, detached."""
    return torch.cat([part.detach() for part in parts])
