"""The recurrence on a GPU: forward and exact backpropagation through time, each in one kernel, for float32.

The tests hold it to the reference by Triton's interpreter on the CPU (``TRITON_INTERPRET=1``). It has never been
measured on a GPU, so ``engine=auto`` chooses it for populations alone, which no other engine runs there.
"""

import importlib.util
import os
from typing import Any

import torch
from torch import Tensor

from longlag.cells import State
from longlag.cells.state import map_leaves
from longlag.engine.kernel_cells import packed
from longlag.engine.kernel_engine import KernelEngine
from longlag.engine.kernel_weights import Packed

#: With more units the matrix of a gate does not fit a multiprocessor's memory.
MOST_UNITS = 128


class Triton(KernelEngine):
    """The kernels in Triton, for float32 on a GPU, up to 128 units."""

    name = "triton"

    def refusal(self, cell: Any, x: Tensor | None = None) -> str | None:
        """Return why the engine cannot run a cell or inputs; see :meth:`Engine.refusal`."""
        if (why := super().refusal(cell, x)) is not None:
            return why
        if cell.hidden_size > MOST_UNITS:
            return f"engine=triton takes up to {MOST_UNITS} hidden units, got {cell.hidden_size}"
        if not (torch.cuda.is_available() or _interpreted()):
            return "engine=triton needs a GPU, and there is none here (engine=auto takes the fastest way there is)"
        if importlib.util.find_spec("triton") is None:
            return "engine=triton needs the package triton: pip install 'longlag[triton]'"
        return None

    def place_refusal(self, device: torch.device, dtype: torch.dtype) -> str | None:
        """Return why the kernel cannot run on a device with a type of number; ``None`` if it can."""
        if device.type != "cuda" and not _interpreted():
            return f"engine=triton runs on a GPU, not on {device.type}"
        if dtype is not torch.float32:
            return f"engine=triton takes float32, not {str(dtype).removeprefix('torch.')}"
        return None

    def unroll(self, cell: Any, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run a cell over sequences; see :meth:`Engine.unroll`."""
        one_run = None if state is None else map_leaves(lambda part: part[None], state)
        hidden, end = self._run(packed(cell), cell.has_cell_state, x[None], one_run)
        h, c = map_leaves(lambda part: part.squeeze(0), end)
        return hidden.squeeze(0), (h, c if cell.has_cell_state else h)

    def unroll_packed(
        self, weights: Packed, x: Tensor, h0: Tensor | None, c0: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run R cells; see :func:`longlag.engine.triton.autograd.unroll_packed`."""
        from longlag.engine.triton.autograd import unroll_packed  # which imports triton

        return unroll_packed(weights, x, h0, c0)


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


__all__ = ["MOST_UNITS", "Triton"]
