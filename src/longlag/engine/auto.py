"""The fastest engine that runs a cell as it is asked for, chosen at each call."""

import logging
from typing import Any

import torch
from torch import Tensor

from longlag.cells import State
from longlag.engine.base import Engine, Used
from longlag.engine.eager import Eager
from longlag.engine.kernel_cells import kernel_cell, unfit
from longlag.engine.native import Native, NoLibraryError
from longlag.engine.pytorch_internals import transformed
from longlag.engine.scan import Scan
from longlag.engine.torch_modules import TorchModules

_log = logging.getLogger("longlag")
_NATIVE, _TORCH, _SCAN, _EAGER = Native(), TorchModules(), Scan(), Eager()
_SCANNED = 2**21  # numbers of all states: beyond, on a CPU, the rounds of the scan cost more than the loop's many steps


class Auto(Engine):
    """An engine that passes each call on to another one, and logs which one.

    - on the CPU, in float32 or float64: ``native``, where it runs the cell and can be built;
    - otherwise ``torch``, where PyTorch has a fused module, and no precision is mixed on a CPU;
    - ``scan`` for a cell that is linear in its state, where that pays;
    - the eager loop for all else: a modified cell too, and inside transforms of :mod:`torch.func`.
    """

    name = "auto"

    def __init__(self) -> None:
        self._used: Used | None = None

    @property
    def level(self) -> str | None:
        """The processor instructions of the latest call, where the engine has a choice."""
        return None if self._used is None else self._used.level

    @property
    def used(self) -> Used | None:
        """Which engine ran in the latest call; ``None`` before the first."""
        return self._used

    def fits(self, cell: Any) -> bool:
        """Return ``True``."""
        return True

    def unroll(self, cell: Any, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run a cell over sequences; see :meth:`Engine.unroll`."""
        engine, why = _fastest(cell, x)
        used = Used(engine.name, engine.level, why)
        if used != self._used:
            self._used = used
            _log.info("engine=auto runs %s by %s", type(cell).__name__, used)
        return engine.unroll(cell, x, state)


def _fastest(cell: Any, x: Tensor) -> tuple[Engine, str | None]:
    """Return an engine, and why it is not a faster one where the cell's class is not the reason."""
    if transformed():
        return _EAGER, "only the eager loop runs in every transform of torch.func"
    mixed = torch.is_autocast_enabled(x.device.type)
    on_cpu, why = x.device.type == "cpu", None
    entry = kernel_cell(cell)
    if entry is not None:
        if (change := unfit(cell)) is not None:
            return _EAGER, change
        if not mixed and _NATIVE.input_refusal(x) is None:
            try:
                _NATIVE.prepare(cell, x.dtype)
            except NoLibraryError as error:
                why = str(error)
            else:
                return _NATIVE, None
        if entry.torch_mode is not None and not (mixed and on_cpu):
            return _TORCH, why
    if _SCAN.fits(cell) and not (on_cpu and x.shape[0] * x.shape[1] * cell.hidden_size > _SCANNED):
        return _SCAN, why
    return _EAGER, why
