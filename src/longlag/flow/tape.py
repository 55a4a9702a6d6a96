"""A layer's run over time, taken down step by step, so that its gradients and its gates can be asked for."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from longlag.cells import Cell, GatedCell, State
from longlag.flow.gradients import gradients


class Tape:
    """An engine, the eager loop, that keeps every state on the way; it serves one call.

    All that the rest of the network reads passes through ``hidden``, so the gradient of that is what comes from outside
    of the layer, and the gradient of ``inputs`` what goes through the layer's own steps.
    """

    cell: Cell
    inputs: Tensor
    """What the cell reads, [B, L, I]."""
    hidden: Tensor
    """[B, L, H]."""
    states: list[State]
    """The L + 1 states, the initial one first."""

    def __call__(self, cell: Cell, x: Tensor) -> tuple[Tensor, State]:
        """Run ``cell`` over the sequences ``x`` [B, L, I] from its initial state."""
        self.cell, self.inputs = cell, x.view_as(x)
        self.states = [cell.initial_state(len(x), device=x.device, dtype=x.dtype)]
        for x_t in self.inputs.unbind(1):
            self.states.append(cell(x_t, self.states[-1]))
        self.hidden = torch.stack([h for h, _ in self.states[1:]], dim=1)
        return self.hidden, (self.hidden[:, -1], self.states[-1][1])

    def recorded(self) -> dict[str, list[Tensor]]:
        """Return what gradients are wanted of: ``hidden`` and the inputs, and for each step h and the memory."""
        found = {"hidden": [self.hidden], "dx": [self.inputs], "dh": [h for h, _ in self.states[1:]]}
        if getattr(self.cell, "has_cell_state", False):
            found["dc"] = [self.cell.memory(state) for state in self.states[1:]]
        return found

    def keep(self, count: int) -> None:
        """Forget all sequences but the first ``count``."""
        self.inputs, self.hidden = self.inputs[:count], self.hidden[:count]
        self.states = [_first(state, count) for state in self.states]

    @functools.cached_property
    def at_once(self) -> tuple[Tensor, State]:
        """The inputs [L·B, I] and the states before them, all steps of all sequences as one batch, detached."""
        return self.inputs.detach().transpose(0, 1).flatten(0, 1), _joined(self.states[:-1])

    @functools.cached_property
    def gates(self) -> dict[str, Tensor]:
        """The gates of all steps of all sequences as one batch, by their names, [L·B, …]; none for a cell without."""
        if not isinstance(self.cell, GatedCell):
            return {}
        with torch.no_grad():
            return self.cell.gates(*self.at_once)

    def direct(self, error: Sequence[Tensor]) -> dict[str, Sequence[Tensor]]:
        """Return the gradients along the direct path by step: ``dx_direct``, and that of the memory as ``dc_direct``.

        Args:
            error: what reaches the hidden states from outside of the layer, [B, H] for each step.

        Returns:
            Nothing if the cell has no direct path.

        """
        kept = self._kept()
        if kept is None:
            return {}
        x, before = self.at_once
        x = x.detach().requires_grad_()
        after = self.cell(x, before)
        h, memory = after[0], self.cell.memory(after)
        from_outside = torch.cat(list(error))
        local = gradients([h], [memory], [from_outside])[0]  # [L·B, …]
        steps = (len(error), -1, *memory.shape[1:])
        later, through = torch.zeros_like(local.view(steps)[0]), []
        for here, factor in zip(
            reversed(local.view(steps)), reversed(kept.expand_as(memory).reshape(steps)), strict=True
        ):
            through.append(later)  # what the next step sends back to this memory
            later = factor.conj() * (here + later)
        carried = torch.cat(through[::-1])
        dx = gradients([h, memory], [x], [from_outside, carried])[0]
        found = {"dx_direct": dx, "dc_direct": local + carried}
        return {name: part.unflatten(0, steps[:2]).unbind() for name, part in found.items()}  # type: ignore[no-untyped-call]

    def _kept(self) -> Tensor | None:
        """Return by what the memory is multiplied along the direct path, in all steps; ``None`` if there is none."""
        kind = type(self.cell)
        if not isinstance(self.cell, Cell) or kind.direct_path is Cell.direct_path:  # which is None
            return None
        if isinstance(self.cell, GatedCell) and kind.direct_path is GatedCell.direct_path:
            return None if self.cell.forget_gate is None else self.gates[self.cell.forget_gate]  # asked for already
        with torch.no_grad():
            return self.cell.direct_path(*self.at_once)


def _first(state: Any, count: int) -> Any:
    """Return the state of the first ``count`` sequences, however it is nested."""
    return state[:count] if isinstance(state, Tensor) else tuple(_first(part, count) for part in state)


def _joined(states: Sequence[Any]) -> Any:
    """Return states of B sequences each, however they are nested, as one of all of them, detached."""
    if isinstance(states[0], Tensor):
        return torch.cat([state.detach() for state in states])
    return tuple(_joined(parts) for parts in zip(*states, strict=True))
