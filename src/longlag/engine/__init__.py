"""How a cell is run over time: the eager loop is the reference, and every other way must give its numbers."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from longlag.cells import Cell
from longlag.engine import eager, scan, torch_modules

#: ``unroll(cell, x [B, T, I], state or None) -> (outputs [B, T, H], final state)``
Unroll = Callable[..., tuple[Tensor, Any]]


#: Each engine is a module with ``check(cell)``, which refuses a cell that it cannot run, and ``unroll``.
_ENGINES = {"auto": eager, "eager": eager, "torch": torch_modules, "scan": scan}


def engine_for(name: str, cell: Cell) -> Unroll:
    """Return the engine ``name`` for a cell; ``auto`` is the reference, which serves every cell.

    Raises:
        ValueError: there is no such engine, or it cannot run this cell.

    """
    if name not in _ENGINES:
        raise ValueError(f"engine must be one of {', '.join(_ENGINES)}; got {name!r}")
    engine = _ENGINES[name]
    engine.check(cell)
    unroll: Unroll = engine.unroll
    return unroll


__all__ = ["Unroll", "engine_for"]
