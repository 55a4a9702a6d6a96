"""A reader's own cell through torch.compile: chunks of the eager loop as one compiled function.

This saves what the dispatcher costs at every step of a small cell. Compiling takes 10 to 20 seconds for each way of
running (with a gradient and without, for one batch size and then for any); the log says how long. It pays for a small
cell that no other engine runs, in a run of some thousand steps.
"""

import logging
import shutil
import time
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from longlag.cells import Cell, State
from longlag.engine.base import Engine

CHUNK = 10  # steps that are compiled as one
_log = logging.getLogger("longlag")
_compiled: weakref.WeakKeyDictionary[Cell, Callable[..., Any]] = weakref.WeakKeyDictionary()


class Compiled(Engine):
    """``torch.compile``, for any cell whose step it can compile; a step that it cannot fails at the first call."""

    name = "compiled"

    def fits(self, cell: Any) -> bool:
        """Return ``True``."""
        return True

    def refusal(self, cell: Any, x: Tensor | None = None) -> str | None:
        """Return that there is no compiler, ``None`` if there is one."""
        if any(shutil.which(name) for name in ("g++", "clang++", "c++")):
            return None
        return "engine=compiled wants a C++ compiler (g++ or clang++), and there is none here"

    def unroll(self, cell: Any, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run a cell over sequences; see :meth:`Engine.unroll`."""
        return _unroll(cell, x, state)


def _unroll(cell: Cell, x: Tensor, state: State | None) -> tuple[Tensor, State]:
    if state is None:
        state = cell.initial_state(x.shape[0], device=x.device, dtype=x.dtype)
    if cell not in _compiled:
        _compiled[cell] = _Chunk(cell)
    run = _compiled[cell]
    hidden = []
    whole = x.shape[1] // CHUNK * CHUNK
    for k in range(0, whole, CHUNK):
        outputs, state = run(x[:, k : k + CHUNK], state)
        hidden.append(outputs)
    for x_t in x[:, whole:].unbind(dim=1):
        state = cell(x_t, state)
        hidden.append(state[0][:, None])
    return torch.cat(hidden, dim=1), state


class _Chunk:
    """``CHUNK`` steps of a cell, compiled.

    It holds the cell by a weak reference, since ``_compiled`` holds it as long as the cell lives.

    Args:
        cell: the cell.

    """

    def __init__(self, cell: Cell) -> None:
        self.cell = weakref.ref(cell)
        self.known: set[tuple[Any, ...]] = set()
        self.compiled = torch.compile(self._steps, dynamic=None)

    def __call__(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run the steps; log it where they may have to be compiled first."""
        kind = (x.shape[0], x.dtype, x.device, torch.is_grad_enabled())
        if kind in self.known:
            outputs: tuple[Tensor, State] = self.compiled(x, state)
            return outputs
        self.known.add(kind)
        _log.info("engine=compiled: compiling %s for %s sequences", type(self.cell()).__name__, len(x))
        start = time.perf_counter()
        outputs = self.compiled(x, state)
        _log.info("engine=compiled: compiled in %.1f s", time.perf_counter() - start)
        return outputs

    def _steps(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        cell = self.cell()
        assert cell is not None
        hidden = []
        for t in range(CHUNK):
            state = cell(x[:, t], state)
            hidden.append(state[0])
        return torch.stack(hidden, dim=1), state
