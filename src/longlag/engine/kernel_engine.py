"""What the engines with kernels share: they run the cells of ``kernel_cells``, and several runs in one call."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from longlag.cells import Cell, State
from longlag.engine.base import Engine
from longlag.engine.kernel_cells import KERNEL_CELLS, packed, unfit
from longlag.engine.kernel_weights import Packed, blocks_to_units, stacked
from longlag.engine.pytorch_internals import transformed


class KernelEngine(Engine):
    """An engine whose kernel takes packed weights."""

    def fits(self, cell: Any) -> bool:
        """Return whether the kernels run a cell; a subclass or a modified cell may compute something else."""
        return unfit(cell) is None

    def refusal(self, cell: Any, x: Tensor | None = None) -> str | None:
        """Return why the engine cannot run a cell or inputs; see :meth:`Engine.refusal`."""
        if (why := unfit(cell)) is not None:
            names = ", ".join(kind.__name__ for kind in KERNEL_CELLS)
            return f"engine={self.name} runs {names}; {why} (engine=eager runs it)"
        return None if x is None else self._refusal_of(x)

    def _refusal_of(self, x: Tensor) -> str | None:
        if transformed():
            return f"engine={self.name} does not run inside transforms of torch.func (engine=eager runs there)"
        return self.input_refusal(x)

    def input_refusal(self, x: Tensor) -> str | None:
        """Return why the kernel cannot run inputs of this type on this device; ``None`` if it can."""
        return self.place_refusal(x.device, x.dtype)

    @abstractmethod
    def place_refusal(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """Return why the kernel cannot run on a device with a type of number; ``None`` if it can."""

    @abstractmethod
    def unroll_packed(
        self, weights: Packed, x: Tensor, h0: Tensor | None, c0: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run R cells over their sequences.

        Args:
            weights: the cells.
            x: inputs [R, B, T, I].
            h0: the initial h and the gates that are read [R, B, Q·H]; zeros by default.
            c0: the initial memory [R, B, H]; zeros by default.

        Returns:
            h of all steps [R, B, T, H], and the last h [R, B, Q·H] and memory [R, B, H].

        """

    def unroll_runs(self, cells: Sequence[Cell], x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run R cells of one kind and shape in one call, each over sequences of its own.

        Args:
            cells: R cells.
            x: inputs [R, B, T, I]; ``expand`` gives all cells the same.
            state: the states before the first step, [R, B, …] each; the cells' initial states by default.

        Returns:
            The hidden states of all steps [R, B, T, H], and the final states, [R, B, …] each.

        Raises:
            ValueError: the engine cannot run these inputs, or the cells differ.

        """
        return self._run(stacked([packed(cell) for cell in cells], self.name), cells[0].has_cell_state, x, state)

    def _run(self, weights: Packed, has_cell_state: bool, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Run packed cells, from a state to a state in the form that the cells have.

        Args:
            weights: the cells.
            has_cell_state: whether they have a cell state; the memory of the others is h.
            x: inputs [R, B, T, I].
            state: the states before the first step, [R, B, …] each; zeros by default.

        """
        if (why := self._refusal_of(x)) is not None:
            raise ValueError(why)
        h0, c0 = (None, None) if state is None else (state[0], state[1] if has_cell_state else state[0])
        if not weights.read:
            hidden, h, c = self.unroll_packed(weights, x, h0, c0)
            return hidden, (h, c if has_cell_state else h)
        if state is not None:
            c0, gates = state[1]
            h0 = torch.cat([state[0], blocks_to_units(gates, weights.block)], dim=-1)
        hidden, h, c = self.unroll_packed(weights, x, h0, c0)
        h, gates = torch.split(h, [weights.hidden, weights.read * weights.hidden], dim=-1)
        return hidden, (h, (c, gates[..., :: weights.block]))
