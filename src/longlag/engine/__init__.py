"""How a cell is run over time: the eager loop is the reference, and every other engine gives its numbers."""

from typing import Any

from longlag.engine.auto import Auto
from longlag.engine.base import Engine, Used
from longlag.engine.compiled import Compiled
from longlag.engine.eager import Eager
from longlag.engine.native import Native
from longlag.engine.scan import Scan
from longlag.engine.torch_modules import TorchModules, from_torch, to_torch
from longlag.engine.triton import Triton

#: The engines that ``engine=`` knows by name, beside ``auto``.
ENGINES: tuple[Engine, ...] = (Eager(), Native(), TorchModules(), Scan(), Compiled(), Triton())


def engine_for(engine: str | Engine, cell: Any) -> Engine:
    """Return an engine that can run a cell; ``auto`` takes the fastest at each call.

    Args:
        engine: the name of an engine, or an engine.
        cell: the cell.

    Raises:
        ValueError: there is no such engine, or it cannot run this cell here.

    """
    if engine == "auto":
        return Auto()
    known = {each.name: each for each in ENGINES}
    if isinstance(engine, str):
        if engine not in known:
            raise ValueError(f"engine must be one of auto, {', '.join(known)}; got {engine!r}")
        engine = known[engine]
    if not isinstance(engine, Engine):
        raise ValueError(f"engine must be a name or a longlag.engine.Engine, got {type(engine).__name__}")
    if (why := engine.refusal(cell)) is not None:
        raise ValueError(why)
    engine.prepare(cell)
    return engine


__all__ = [
    "ENGINES",
    "Auto",
    "Compiled",
    "Eager",
    "Engine",
    "Native",
    "Scan",
    "TorchModules",
    "Triton",
    "Used",
    "engine_for",
    "from_torch",
    "to_torch",
]
