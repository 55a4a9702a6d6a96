"""One step of a cell, before any check: where it fails, the checks would say the same again and again."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from longlag.errors import described


def first_step_fails(make: Callable[[], Any], input_size: int) -> str | None:
    """Take one step of a fresh cell, and return in one line why this fails; ``None`` if it does not.

    Args:
        make: makes a fresh cell.
        input_size: I.

    """
    cell = make()
    try:
        with torch.no_grad():
            returned = cell(torch.zeros(3, input_size), cell.initial_state(3))
    except Exception as error:
        return described(error)
    pair = isinstance(returned, tuple | list) and len(returned) == 2 and isinstance(returned[0], Tensor)
    return None if pair else f"{_forward_of(cell)} must return (h, c), the next state; it returns {_kind(returned)}"


def _forward_of(cell: Any) -> str:
    """Return the name of a cell's ``forward``, with its file and line if there is one."""
    kind = type(cell)
    try:
        path, (_, line) = Path(inspect.getsourcefile(kind.forward) or ""), inspect.getsourcelines(kind.forward)
    except (OSError, TypeError):
        return f"{kind.__name__}.forward"
    return f"{kind.__name__}.forward ({path.name}, line {line})"


def _kind(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"one tensor {[*value.shape]}"
    if isinstance(value, tuple | list):
        return f"{len(value)} values" if len(value) != 2 else f"({type(value[0]).__name__}, …)"
    return "nothing" if value is None else f"a {type(value).__name__}"
