"""How a cell is run over time: the eager loop is the reference, and every other way must give its numbers."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from longlag.engine import eager

#: ``unroll(cell, x [B, T, I], state or None) -> (outputs [B, T, H], final state)``
Unroll = Callable[..., tuple[Tensor, Any]]

_ENGINES: dict[str, Unroll] = {"eager": eager.unroll}


def engine_named(name: str) -> Unroll:
    """Return the engine ``name``; ``auto`` is the fastest that serves every cell.

    Raises:
        ValueError: there is no such engine.

    """
    try:
        return _ENGINES["eager" if name == "auto" else name]
    except KeyError:
        raise ValueError(f"engine must be one of auto, {', '.join(_ENGINES)}; got {name!r}") from None


__all__ = ["Unroll", "engine_named"]
