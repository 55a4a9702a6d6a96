"""A layer's run over time, taken down step by step, so that its gradients and its gates can be asked for."""

import functools
import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from longlag.cells import Cell, GatedCell, State
from longlag.engine import native
from longlag.engine.native import NoLibraryError
from longlag.engine.native.taped import TapedRun
from longlag.flow.gradients import gradients

#: What belongs to all steps: [L, B, …], or one tensor [B, …] a step where a memory grows.
Steps = Tensor | Sequence[Tensor]


def tape_of(cell: Any, x: Tensor) -> "Tape":
    """Return a tape for a cell and inputs like ``x``: that of the native engine, or the eager loop's."""
    if native.fits(cell) and native.refusal(x) is None:
        try:
            native.load(cell, x.dtype)
        except NoLibraryError:
            return EagerTape()
        return NativeTape()
    return EagerTape()


class Tape(ABC):
    """An engine that keeps what it went through; it serves one call.

    All that the rest of the network reads passes through ``hidden``, so the gradient of that is what comes from outside
    of the layer, and the gradient of ``inputs`` what goes through the layer's own steps.
    """

    cell: Cell
    inputs: Tensor
    """What the cell reads, [B, L, I]."""
    hidden: Tensor
    """[B, L, H]."""

    @abstractmethod
    def __call__(self, cell: Cell, x: Tensor) -> tuple[Tensor, State]:
        """Run ``cell`` over the sequences ``x`` [B, L, I] from its initial state."""

    @abstractmethod
    def recorded(self) -> dict[str, list[Tensor]]:
        """Return what gradients are to be asked for, for each step: ``dh``, and ``dc`` where there is a cell state."""

    @abstractmethod
    def seen(self) -> dict[str, Tensor]:
        """Return those gradients, [L, B, …], that it has seen itself on the way back."""

    @abstractmethod
    def keep(self, count: int) -> None:
        """Forget all sequences but the first ``count``."""

    @abstractmethod
    def direct(self, error: Steps) -> dict[str, Tensor]:
        """Return the gradients along the direct path: ``dx_direct``, and that of the memory as ``dc_direct``.

        Args:
            error: what reaches the hidden states from outside of the layer, [L, B, H].

        Returns:
            [L, B, …] each; nothing if the cell has no direct path.

        """

    @functools.cached_property
    def gates(self) -> dict[str, Tensor]:
        """The gates of all steps of all sequences, by their names, [L, B, …]; none for a cell without."""
        return self._gates()

    @abstractmethod
    def _gates(self) -> dict[str, Tensor]:
        """Return what :attr:`gates` is, [L, B, …] each."""

    @property
    def has_direct_path(self) -> bool:
        """Whether the cell says that it has one."""
        kind = type(self.cell)
        if not isinstance(self.cell, Cell) or kind.direct_path is Cell.direct_path:  # which is None
            return False
        gated = isinstance(self.cell, GatedCell) and kind.direct_path is GatedCell.direct_path
        return not (gated and self.cell.forget_gate is None)


class EagerTape(Tape):
    """The eager loop, for any cell; its gradients come from autograd."""

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
        """Return h and the memory of each step."""
        found = {"dh": [h for h, _ in self.states[1:]]}
        if getattr(self.cell, "has_cell_state", False):
            found["dc"] = [self.cell.memory(state) for state in self.states[1:]]
        return found

    def seen(self) -> dict[str, Tensor]:
        """Return nothing: autograd has them."""
        return {}

    def keep(self, count: int) -> None:
        """Forget all sequences but the first ``count``."""
        self.inputs, self.hidden = self.inputs[:count], self.hidden[:count]
        self.states = [_first(state, count) for state in self.states]

    @functools.cached_property
    def _at_once(self) -> tuple[Tensor, State]:
        """The inputs [L·B, I] and the states before them, all steps of all sequences as one batch, detached."""
        return self.inputs.detach().transpose(0, 1).flatten(0, 1), _joined(self.states[:-1])

    def _gates(self) -> dict[str, Tensor]:
        if not isinstance(self.cell, GatedCell):
            return {}
        with torch.no_grad():
            gates = self.cell.gates(*self._at_once)
        return {name: gate.view(-1, len(self.inputs), *gate.shape[1:]) for name, gate in gates.items()}

    def direct(self, error: Steps) -> dict[str, Tensor]:
        """Return the gradients along the direct path; see :meth:`Tape.direct`."""
        kept = self._kept()
        if kept is None:
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
            reversed(local.view(steps)), reversed(kept.expand_as(memory).reshape(steps)), strict=True
        ):
            through.append(later)  # what the next step sends back to this memory
            later = factor.conj() * (here + later)
        carried = torch.cat(through[::-1])
        dx = gradients([h, memory], [x], [from_outside, carried])[0]
        found = {"dx_direct": dx, "dc_direct": local + carried}
        return {name: part.view(*steps[:2], *part.shape[1:]) for name, part in found.items()}

    def _kept(self) -> Tensor | None:
        """Return by what the memory is multiplied along the direct path, in all steps; ``None`` if there is none."""
        if not self.has_direct_path:
            return None
        if isinstance(self.cell, GatedCell) and type(self.cell).direct_path is GatedCell.direct_path:
            return self.gates[str(self.cell.forget_gate)].flatten(0, 1)  # asked for already
        with torch.no_grad():
            return self.cell.direct_path(*self._at_once)


class NativeTape(Tape):
    """The native engine, which sees the gradients of all states on its way back."""

    def __call__(self, cell: Cell, x: Tensor) -> tuple[Tensor, State]:
        """Run ``cell`` over the sequences ``x`` [B, L, I] from its initial state."""
        self.cell, self.inputs = cell, x.view_as(x)
        self.run = TapedRun(cell, x)
        self._seen: dict[str, Tensor] = {}
        self.hidden = _Hidden.apply(self.inputs, self)  # type: ignore[no-untyped-call]
        return self.hidden, (self.hidden[:, -1], None)  # which of the memory nobody asks

    def recorded(self) -> dict[str, list[Tensor]]:
        """Return nothing: it sees them all."""
        return {}

    def seen(self) -> dict[str, Tensor]:
        """Return the gradients of h, and of the cell state if there is one, [L, B, H] each."""
        return {name: self.run.by_step(lanes) for name, lanes in self._seen.items()}

    def _gates(self) -> dict[str, Tensor]:
        return self.run.gates

    def back(self, d_hidden: Tensor) -> Tensor:
        """Send an error [B, L, H] back, and return the gradient of the inputs [B, L, I]."""
        dx, dh, dc = self.run.back(d_hidden.transpose(0, 1))
        self._seen = {"dh": dh, "dc": dc} if self.cell.has_cell_state else {"dh": dh}
        return dx.transpose(0, 1)

    def keep(self, count: int) -> None:
        """Forget all sequences but the first ``count``."""
        self.run.count = count
        self.inputs, self.hidden = self.inputs[:count], self.hidden[:count]

    def direct(self, error: Steps) -> dict[str, Tensor]:
        """Return the gradients along the direct path; see :meth:`Tape.direct`."""
        if not self.has_direct_path:
            return {}
        dx, _, dc = self.run.back(error if isinstance(error, Tensor) else torch.stack(list(error)), direct=True)
        return {"dx_direct": dx, "dc_direct": self.run.by_step(dc)}


class _Hidden(torch.autograd.Function):
    """The hidden states [B, L, H] of a tape that has run, with the way back to its inputs."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, tape: NativeTape) -> Tensor:
        ctx.tape = weakref.ref(tape)  # which holds what holds this, out of the sight of the garbage collector
        return tape.run.hidden.transpose(0, 1).clone()

    @staticmethod
    def backward(ctx: Any, d_hidden: Tensor) -> tuple[Tensor, None]:
        return ctx.tape().back(d_hidden), None


def _first(state: Any, count: int) -> Any:
    """Return the state of the first ``count`` sequences, however it is nested."""
    return state[:count] if isinstance(state, Tensor) else tuple(_first(part, count) for part in state)


def _joined(states: Sequence[Any]) -> Any:
    """Return states of B sequences each, however they are nested, as one of all of them, detached."""
    if isinstance(states[0], Tensor):
        return torch.cat([state.detach() for state in states])
    return tuple(_joined(parts) for parts in zip(*states, strict=True))
