"""How a cell is run over time: the eager loop is the reference, and every other way must give its numbers."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from longlag.cells import Cell
from longlag.engine import eager, scan, torch_modules

#: ``unroll(cell, x [B, T, I], state or None) -> (outputs [B, T, H], final state)``
Unroll = Callable[..., tuple[Tensor, Any]]


def engine_for(name: str, cell: Cell) -> Unroll:
    """Return the engine ``name`` for a cell; ``auto`` is the reference, which serves every cell.

    Raises:
        ValueError: there is no such engine, or it cannot run this cell.

    """
    if name in ("auto", "eager"):
        return eager.unroll
    if name == "torch":
        torch_modules.check(cell)
        return torch_modules.unroll
    if name == "scan":
        scan.check(cell)
        return scan.unroll
    raise ValueError(f"engine must be one of auto, eager, torch, scan; got {name!r}")


__all__ = ["Unroll", "engine_for"]
