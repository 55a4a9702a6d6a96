"""The recurrence in C++: forward and exact backpropagation through time of a whole sequence in one call, on the CPU."""

from typing import Any

import torch
from torch import Tensor

from longlag.cells import State
from longlag.engine.kernel_cells import kernel_cell, packed
from longlag.engine.kernel_engine import KernelEngine
from longlag.engine.kernel_weights import Packed
from longlag.engine.native.autograd import unroll_packed
from longlag.engine.native.build import NoLibraryError, level, library


class Native(KernelEngine):
    """The kernels in C++, for float32 and float64 on the CPU; a run gives the same bits alone and beside others."""

    name = "native"

    @property
    def level(self) -> str | None:
        """The processor instructions that the kernel is built for; ``None`` if the engine is switched off."""
        try:
            return level()
        except NoLibraryError:
            return None

    def place_refusal(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """Return why the kernel cannot run on a device with a type of number; ``None`` if it can."""
        if device.type != "cpu":
            return f"engine=native runs on the CPU, not on {device.type}"
        if dtype not in (torch.float32, torch.float64):
            return f"engine=native takes float32 and float64, not {str(dtype).removeprefix('torch.')}"
        return None

    def prepare(self, cell: Any, dtype: torch.dtype = torch.float32) -> None:
        """Build or load the library for a cell and a type of number.

        Raises:
            NoLibraryError: it cannot be built on this machine.

        """
        entry = kernel_cell(cell)
        assert entry is not None
        library(entry.update, dtype)

    def unroll(self, cell: Any, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run a cell over sequences; see :meth:`Engine.unroll`."""
        return self._run(packed(cell), cell.has_cell_state, x, state)

    def unroll_packed(
        self, weights: Packed, x: Tensor, h0: Tensor | None, c0: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run R cells, or one without the axis of the runs."""
        return unroll_packed(weights, x, h0, c0)


__all__ = ["Native", "NoLibraryError"]
