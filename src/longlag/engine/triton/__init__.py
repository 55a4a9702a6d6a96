"""The recurrence on a GPU: forward and exact backpropagation through time, each in one kernel, for float32.

It has the cells of the native engine, from which it takes the weights in the same form. It has been held to the
reference by Triton's interpreter on the CPU (``TRITON_INTERPRET=1``) and never been measured on a GPU: ``engine=auto``
does not choose it.
"""

import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from longlag.cells import Cell, State
from longlag.engine.packed import Packed, fits, names, packed, run_packed, stacked

#: Units beyond which the matrix of a gate does not fit a multiprocessor's memory.
MOST_UNITS = 128


def check(cell: Cell) -> None:
    """Check that there are kernels for a cell, and a GPU.

    Raises:
        ValueError: there are not.

    """
    if not fits(cell):
        raise ValueError(f"engine=triton runs {names()}; {type(cell).__name__} is none of them (engine=eager runs it)")
    if cell.hidden_size > MOST_UNITS:
        raise ValueError(f"engine=triton takes up to {MOST_UNITS} hidden units, got {cell.hidden_size}")
    if not (torch.cuda.is_available() or _interpreted()):
        raise ValueError(
            "engine=triton needs a GPU, and there is none here (engine=auto takes the fastest way there is)"
        )
    if importlib.util.find_spec("triton") is None:
        raise ValueError("engine=triton needs the package triton: pip install 'longlag[triton]'")


def refusal(x: Tensor) -> str | None:
    """Return why inputs cannot be run, ``None`` if they can."""
    if x.device.type != "cuda" and not _interpreted():
        return f"engine=triton runs on a GPU, not on {x.device.type}"
    if x.dtype is not torch.float32:
        return f"engine=triton takes float32, not {str(x.dtype).removeprefix('torch.')}"
    return None


def unroll(cell: Cell, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run ``cell`` over the sequences ``x``.

    Args:
        cell: one that there are kernels for.
        x: inputs [B, T, I], float32.
        state: where to start; the cell's initial state if none is given.

    Returns:
        The hidden states of all steps [B, T, H], and the final state.

    Raises:
        ValueError: the inputs are elsewhere or of another type or shape.

    """
    one = None if state is None else _of_each(lambda part: part[None], state)
    hidden, (h, c) = _unrolled(packed(cell), cell.has_cell_state, x[None], one)
    h = h.squeeze(0)
    return hidden.squeeze(0), (h, _of_each(lambda part: part.squeeze(0), c) if cell.has_cell_state else h)


def unroll_runs(cells: Sequence[Cell], x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run R cells of one kind and shape, each over sequences of its own.

    Args:
        cells: R of them.
        x: inputs [R, B, T, I], float32.
        state: where to start, [R, B, …] each; the cells' initial state if none is given.

    Returns:
        The hidden states of all steps [R, B, T, H], and the final states, [R, B, …] each.

    Raises:
        ValueError: the inputs are elsewhere or of another type or shape.

    """
    return _unrolled(stacked([packed(cell) for cell in cells]), cells[0].has_cell_state, x, state)


def _unrolled(weights: Packed, own: bool, x: Tensor, state: State | None) -> tuple[Tensor, State]:
    from longlag.engine.triton.frame import unroll_packed  # which imports triton

    if (why := refusal(x)) is not None:
        raise ValueError(why)
    return run_packed(unroll_packed, weights, own, x, state)


def _of_each(change: Callable[[Tensor], Tensor], state: Any) -> Any:
    """Return a state with each of its tensors changed, however it is nested."""
    return change(state) if isinstance(state, Tensor) else tuple(_of_each(change, part) for part in state)


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


__all__ = ["MOST_UNITS", "check", "fits", "refusal", "unroll", "unroll_runs"]
