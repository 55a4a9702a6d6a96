"""A reader's own cell through torch.compile: chunks of the eager loop as one compiled function.

What the dispatcher costs at every step of a small cell is saved; what compiling costs, 10 to 20 seconds for each way of
running (with a gradient and without, for one batch size and then for any), is said in the log. It pays for a small cell
that no other engine has, in a run of some thousand steps.
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

CHUNK = 10  # steps that are compiled as one
_log = logging.getLogger("longlag")
_compiled: weakref.WeakKeyDictionary[Cell, Callable[..., Any]] = weakref.WeakKeyDictionary()


def check(cell: Cell) -> None:
    """Check that there is a compiler; what the cell does is seen when it is compiled.

    Raises:
        ValueError: there is none.

    """
    if not any(shutil.which(name) for name in ("g++", "clang++", "c++")):
        raise ValueError("engine=compiled wants a C++ compiler (g++ or clang++), and there is none here")


def unroll(cell: Cell, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run ``cell`` over the sequences ``x``.

    Args:
        cell: any cell whose step torch.compile can take in.
        x: inputs [B, T, I].
        state: where to start; the cell's initial state if none is given.

    Returns:
        The hidden states of all steps [B, T, H], and the final state.

    """
    if state is None:
        state = cell.initial_state(x.shape[0], device=x.device, dtype=x.dtype)
    if cell not in _compiled:
        _compiled[cell] = _Chunk(cell)
    run = _compiled[cell]
    hidden = []
    whole = x.shape[1] // CHUNK * CHUNK
    for k in range(0, whole, CHUNK):
        given, state = run(x[:, k : k + CHUNK], state)
        hidden.append(given)
    for x_t in x[:, whole:].unbind(dim=1):
        state = cell(x_t, state)
        hidden.append(state[0][:, None])
    return torch.cat(hidden, dim=1), state


class _Chunk:
    """``CHUNK`` steps of a cell, compiled; a weak reference to it, so that the two do not keep each other.

    Args:
        cell: the cell.

    """

    def __init__(self, cell: Cell) -> None:
        self.cell = weakref.ref(cell)
        self.known: set[tuple[Any, ...]] = set()
        self.compiled = torch.compile(self._steps, dynamic=None)

    def __call__(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Run the steps; say so in the log where they may have to be compiled for it first."""
        kind = (x.shape[0], x.dtype, x.device, torch.is_grad_enabled())
        if kind in self.known:
            given: tuple[Tensor, State] = self.compiled(x, state)
            return given
        self.known.add(kind)
        _log.info("engine=compiled: compiling %s for %s sequences", type(self.cell()).__name__, len(x))
        start = time.perf_counter()
        given = self.compiled(x, state)
        _log.info("engine=compiled: that took %.1f s", time.perf_counter() - start)
        return given

    def _steps(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        cell = self.cell()
        assert cell is not None
        hidden = []
        for t in range(CHUNK):
            state = cell(x[:, t], state)
            hidden.append(state[0])
        return torch.stack(hidden, dim=1), state
