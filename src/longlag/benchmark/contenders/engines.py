"""Our own engines."""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from longlag.benchmark.contenders.contender import TorchContender
from longlag.benchmark.workload import Gradients, Workload, named
from longlag.engine import Compiled, Eager, Engine, Native, Scan, TorchModules, Triton
from longlag.engine.kernel_engine import KernelEngine


class OneRun(TorchContender):
    """An engine that takes one run at a time. A subclass sets ``engine``, ``name`` and perhaps ``cells``."""

    engine: ClassVar[Engine]
    cells: ClassVar[str | None] = None

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self.engine.prepare(workload.cells[0])
        self._leaves = [
            {"x": x.clone().requires_grad_(), **dict(cell.named_parameters())}
            for x, cell in zip(workload.x, workload.cells, strict=True)
        ]

    @classmethod
    def refusal(cls, workload: Workload) -> str | None:
        """Return why the engine does not run these cells; whether it can be built is not asked."""
        return _refusal(cls.engine, cls.cells, workload)

    def leaves(self, run: int) -> Mapping[str, Tensor]:
        """Return the inputs and the parameters of the cell."""
        return self._leaves[run]

    def last(self, run: int) -> Tensor:
        """Return the last hidden states, [B, H]."""
        return self.engine.unroll(self.workload.cells[run], self._leaves[run]["x"])[1][0]


class AllRuns(TorchContender):
    """An engine that takes all runs in one call. A subclass sets ``engine``, ``name`` and perhaps ``cells``."""

    engine: ClassVar[KernelEngine]
    cells: ClassVar[str | None] = None
    at_once = True

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self.engine.prepare(workload.cells[0])
        weights = {
            f"{run}.{name}": parameter
            for run, cell in enumerate(workload.cells)
            for name, parameter in cell.named_parameters()
        }
        self._leaves = {"x": workload.x.clone().requires_grad_(), **weights}

    @classmethod
    def refusal(cls, workload: Workload) -> str | None:
        """Return why the engine does not run these cells; whether it can be built is not asked."""
        return _refusal(cls.engine, cls.cells, workload)

    def leaves(self, run: int) -> Mapping[str, Tensor]:
        """Return the inputs and parameters of all runs."""
        return self._leaves

    def last(self, run: int) -> Tensor:
        """Return the last hidden states of all runs, [R, B, H]."""
        return self.engine.unroll_runs(self.workload.cells, self._leaves["x"])[1][0]

    def gradients(self, run: int) -> Gradients:
        """Return the part of one run."""
        of_all = named(self._leaves, self.train(run))
        of_run = {name: of_all[f"{run}.{name}"] for name, _ in self.workload.cells[run].named_parameters()}
        return {"x": of_all["x"][run], **of_run}


def _refusal(engine: Engine, cells: str | None, workload: Workload) -> str | None:
    """Return the cells that an engine runs, if the workload has another one, or why it cannot run the workload."""
    if not engine.fits(workload.cells[0]):
        return "it does not run this cell" if cells is None else f"runs {cells}"
    return engine.refusal(workload.cells[0], workload.x)


class EagerContender(OneRun):
    """The eager loop, which runs any cell."""

    name = "eager"
    engine = Eager()


class TorchModulesContender(OneRun):
    """PyTorch's fused functions with the weights of our cell."""

    name = "torch"
    engine = TorchModules()
    cells = "the cells that PyTorch has a fused module for"


class ScanContender(OneRun):
    """All steps at once, of a cell that is linear in its state."""

    name = "scan"
    engine = Scan()
    cells = "the cells that are linear in their state"


class CompiledContender(OneRun):
    """Chunks of the eager loop through ``torch.compile``."""

    name = "compiled"
    engine = Compiled()
    compiles_s = 20.0

    def __init__(self, workload: Workload) -> None:
        torch.compiler.reset()  # otherwise it compiles for sizes of any kind, beside what it compiled at other sizes
        super().__init__(workload)


class NativeContender(AllRuns):
    """The recurrence in C++."""

    name = "native"
    engine = Native()


class TritonContender(AllRuns):
    """The recurrence in Triton."""

    name = "triton"
    engine = Triton()
    compiles_s = 10.0
