"""The recurrence in C++: forward and exact backpropagation through time of a whole sequence in one call, on the CPU."""

from collections.abc import Sequence

import torch
from torch import Tensor

from longlag.cells import Cell, State
from longlag.engine.native.frame import unroll_packed
from longlag.engine.native.library import NoLibraryError, level, library
from longlag.engine.packed import Packed, fits, names, packed, run_packed, stacked, update_of


def check(cell: Cell) -> None:
    """Check that the kernel has a cell, and that it is there for float32.

    Raises:
        ValueError: it has not, or it cannot be built here.

    """
    if not fits(cell):
        raise ValueError(f"engine=native runs {names()}; {type(cell).__name__} is none of them (engine=eager runs it)")
    load(cell, torch.float32)


def load(cell: Cell, dtype: torch.dtype) -> None:
    """Build or load the library for a cell that the kernel has; once it is there, that costs nothing.

    Raises:
        NoLibraryError: it cannot be built here.

    """
    library(update_of(cell), dtype)


def refusal(x: Tensor) -> str | None:
    """Return why inputs cannot be run, ``None`` if they can."""
    if x.device.type != "cpu":
        return f"engine=native runs on the CPU, not on {x.device.type}"
    if x.dtype not in (torch.float32, torch.float64):
        return f"engine=native takes float32 and float64, not {str(x.dtype).removeprefix('torch.')}"
    return None


def unroll(cell: Cell, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run ``cell`` over the sequences ``x``.

    Args:
        cell: one that the kernel has.
        x: inputs [B, T, I], float32 or float64, on the CPU.
        state: where to start; the cell's initial state if none is given.

    Returns:
        The hidden states of all steps [B, T, H], and the final state.

    Raises:
        ValueError: the inputs are elsewhere or of another type.

    """
    return _unrolled(packed(cell), cell.has_cell_state, x, state)


def unroll_runs(cells: Sequence[Cell], x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run R cells of one kind and shape, each over sequences of its own; each gives the very bits that it gives alone.

    Args:
        cells: R of them.
        x: inputs [R, B, T, I]; ``expand`` gives all the same.
        state: where to start, [R, B, …] each; the cells' initial state if none is given.

    Returns:
        The hidden states of all steps [R, B, T, H], and the final states, [R, B, …] each.

    Raises:
        ValueError: the inputs are elsewhere or of another type.

    """
    return _unrolled(stacked([packed(cell) for cell in cells]), cells[0].has_cell_state, x, state)


def _unrolled(weights: Packed, own: bool, x: Tensor, state: State | None) -> tuple[Tensor, State]:
    if (why := refusal(x)) is not None:
        raise ValueError(why)
    return run_packed(unroll_packed, weights, own, x, state)


__all__ = ["NoLibraryError", "check", "fits", "level", "load", "refusal", "unroll", "unroll_runs"]
