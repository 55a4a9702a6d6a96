"""The fastest way to run a cell that gives what is wanted, chosen by the cell and by the inputs."""

import logging
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from longlag.cells import Cell, State
from longlag.engine import eager, native, scan, torch_modules
from longlag.engine.native import NoLibraryError

_log = logging.getLogger("longlag")
_SCANNED = 2**21  # numbers of all states: beyond, on a CPU, the rounds of the scan cost more than the loop's many steps


class Auto:
    """An engine that is another one from call to call; which is said in the log.

    - on the CPU, in float32 or float64: ``native``, where it has the cell and can be built;
    - otherwise ``torch``, where PyTorch has a fused module, and no precision is mixed on a CPU;
    - ``scan`` for a cell that is linear in its state, where that pays;
    - the eager loop for all else.
    """

    def __init__(self) -> None:
        self.used: str | None = None
        """The engine of the latest call, and why it is not a faster one."""

    def __call__(self, cell: Cell, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run ``cell`` over the sequences ``x`` [B, T, I]; see :func:`longlag.engine.eager.unroll`."""
        name, engine, why = _chosen(cell, x)
        used = f"{name}{why}"
        if used != self.used:
            self.used = used
            _log.info("engine=auto runs %s by %s", type(cell).__name__, used)
        unrolled: tuple[Tensor, State] = engine.unroll(cell, x, state)
        return unrolled


def _chosen(cell: Any, x: Tensor) -> tuple[str, ModuleType, str]:
    """Return the name of an engine, the engine, and why it is not a faster one."""
    mixed = torch.is_autocast_enabled(x.device.type)
    on_cpu, why = x.device.type == "cpu", ""
    if native.fits(cell) and not mixed and native.refusal(x) is None:
        try:
            native.load(cell, x.dtype)
        except NoLibraryError as error:
            why = f": {error}"
        else:
            return "native", native, f" ({native.level()})"
    if torch_modules.fits(cell) and not (mixed and on_cpu):
        return "torch", torch_modules, why
    if scan.fits(cell) and not (on_cpu and x.shape[0] * x.shape[1] * cell.hidden_size > _SCANNED):
        return "scan", scan, why
    return "eager", eager, why
