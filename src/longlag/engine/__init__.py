"""How a cell is run over time: the eager loop is the reference, and every other way must give its numbers."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from longlag.cells import Cell
from longlag.engine import compiled, eager, native, scan, torch_modules, triton
from longlag.engine.auto import Auto

#: ``unroll(cell, x [B, T, I], state or None) -> (outputs [B, T, H], final state)``
Unroll = Callable[..., tuple[Tensor, Any]]


#: Each engine is a module with ``check(cell)``, which refuses a cell that it cannot run, and ``unroll``.
_ENGINES = {
    "eager": eager,
    "native": native,
    "torch": torch_modules,
    "scan": scan,
    "compiled": compiled,
    "triton": triton,
}


def engine_for(name: str, cell: Cell) -> Unroll:
    """Return the engine ``name`` for a cell; ``auto`` takes the fastest, see :class:`longlag.engine.auto.Auto`.

    Raises:
        ValueError: there is no such engine, or it cannot run this cell.

    """
    if name == "auto":
        return Auto()
    if name not in _ENGINES:
        raise ValueError(f"engine must be one of auto, {', '.join(_ENGINES)}; got {name!r}")
    engine = _ENGINES[name]
    engine.check(cell)
    unroll: Unroll = engine.unroll
    return unroll


__all__ = ["Unroll", "engine_for"]
