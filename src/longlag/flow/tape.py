"""A tape records the run of a layer over time, step by step, and gives its gradients and its gates."""

import functools
import weakref
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from longlag.cells import Cell, GatedCell, State
from longlag.cells.state import map_leaves
from longlag.engine import Engine
from longlag.engine.native import Native, NoLibraryError
from longlag.engine.native.recorded_run import RecordedRun
from longlag.flow.gradients import gradients

#: What belongs to all steps: [L, B, …], or one tensor [B, …] a step where a memory grows.
Steps = Tensor | Sequence[Tensor]


def tape_of(cell: Any, x: Tensor) -> "Tape":
    """Return a tape for a cell and inputs like ``x``: of the native engine where it can run the cell, else eager."""
    native = Native()
    if native.refusal(cell, x) is not None:
        return EagerTape()
    try:
        native.prepare(cell, x.dtype)
    except NoLibraryError:
        return EagerTape()
    return NativeTape()


class Tape(Engine):
    """An engine that records its run; it serves one call.

    The rest of the network reads ``hidden`` alone, so the gradient of ``hidden`` is the error that enters the layer
    from outside, and the gradient of ``inputs`` the error that the steps of the layer send back.
    """

    name = "tape"
    cell: Cell
    inputs: Tensor
    """The inputs of the cell, [B, L, I]."""
    hidden: Tensor
    """[B, L, H]."""

    def fits(self, cell: Any) -> bool:
        """Return ``True``: :func:`tape_of` chooses a tape for a cell."""
        return True

    @abstractmethod
    def unroll(self, cell: Cell, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run ``cell`` over the sequences ``x`` [B, L, I] from its initial state."""

    @abstractmethod
    def recorded(self) -> dict[str, list[Tensor]]:
        """Return the tensors of each step whose gradients autograd computes: ``dh``, and ``dc`` with a cell state."""

    @abstractmethod
    def seen(self) -> dict[str, Tensor]:
        """Return the gradients, [L, B, …], that the tape itself has recorded on the way back."""

    @abstractmethod
    def keep(self, count: int) -> None:
        """Forget all sequences but the first ``count``."""

    @abstractmethod
    def direct(self, error: Steps) -> dict[str, Tensor]:
        """Return the gradients along the direct path: ``dx_direct`` for the inputs, ``dc_direct`` for the memory.

        Args:
            error: the error at the hidden states from outside of the layer, [L, B, H].

        Returns:
            [L, B, …] each; empty if the cell has no direct path.

        """

    @functools.cached_property
    def gates(self) -> dict[str, Tensor]:
        """The gates of all steps of all sequences, by their names, [L, B, …]; empty for a cell without gates."""
        return self._gates()

    @abstractmethod
    def _gates(self) -> dict[str, Tensor]:
        """Compute :attr:`gates`, [L, B, …] each."""

    @property
    def has_direct_path(self) -> bool:
        """Whether the cell declares a direct path."""
        kind = type(self.cell)
        if not isinstance(self.cell, Cell) or kind.direct_path is Cell.direct_path:  # which is None
            return False
        gated = isinstance(self.cell, GatedCell) and kind.direct_path is GatedCell.direct_path
        return not (gated and self.cell.forget_gate is None)


class EagerTape(Tape):
    """The eager loop, for any cell; its gradients come from autograd."""

    states: list[State]
    """The L + 1 states, the initial one first."""

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

    def seen(self) -> dict[str, Tensor]:
        """Return nothing: autograd computes all gradients."""
        return {}

    def keep(self, count: int) -> None:
        """Forget all sequences but the first ``count``."""
        self.inputs, self.hidden = self.inputs[:count], self.hidden[:count]
        self.states = [map_leaves(lambda leaf: leaf[:count], state) for state in self.states]

    @functools.cached_property
    def _at_once(self) -> tuple[Tensor, State]:
        """The inputs [L·B, I] and the states before them, all steps of all sequences as one batch, detached."""
        return self.inputs.detach().transpose(0, 1).flatten(0, 1), map_leaves(_joined, *self.states[:-1])

    def _gates(self) -> dict[str, Tensor]:
        if not isinstance(self.cell, GatedCell):
            return {}
        with torch.no_grad():
            gates = self.cell.gates(*self._at_once)
        return {name: gate.view(-1, len(self.inputs), *gate.shape[1:]) for name, gate in gates.items()}

    def direct(self, error: Steps) -> dict[str, Tensor]:
        """Return the gradients along the direct path; see :meth:`Tape.direct`."""
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
        if not self.has_direct_path:
            return None
        if isinstance(self.cell, GatedCell) and type(self.cell).direct_path is GatedCell.direct_path:
            return self.gates[str(self.cell.forget_gate)].flatten(0, 1)  # computed already
        with torch.no_grad():
            return self.cell.direct_path(*self._at_once)


class NativeTape(Tape):
    """The native engine, which records the gradients of all states on its way back."""

    def unroll(self, cell: Cell, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run ``cell`` over the sequences ``x`` [B, L, I] from its initial state."""
        assert state is None
        self.cell, self.inputs = cell, x.view_as(x)
        self.run = RecordedRun(cell, x)
        self._seen: dict[str, Tensor] = {}
        self.hidden = _Hidden.apply(self.inputs, self)  # type: ignore[no-untyped-call]
        return self.hidden, (self.hidden[:, -1], None)  # the model does not read the final memory

    def recorded(self) -> dict[str, list[Tensor]]:
        """Return nothing: the engine records all gradients."""
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
    """The hidden states [B, L, H] of a recorded run, with the way back to its inputs."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, tape: NativeTape) -> Tensor:
        # a weak reference: the tape holds this node, and the garbage collector does not see this circle
        ctx.tape = weakref.ref(tape)
        return tape.run.hidden.transpose(0, 1).clone()

    @staticmethod
    def backward(ctx: Any, d_hidden: Tensor) -> tuple[Tensor, None]:
        return ctx.tape().back(d_hidden), None


def _joined(*parts: Tensor) -> Tensor:
    """Return the parts [B, …] of several states as one batch, detached."""
    return torch.cat([part.detach() for part in parts])
