"""Our own engines."""

from collections.abc import Mapping
from types import ModuleType
from typing import ClassVar

import torch
from torch import Tensor

from longlag.benchmark.contenders.contender import TorchContender
from longlag.benchmark.given import Given, Gradients, named
from longlag.engine import engine_for, native, triton


class Engine(TorchContender):
    """An engine that takes one run at a time, by its name; ``cells`` are those that it runs."""

    cells: ClassVar[str]

    def __init__(self, given: Given) -> None:
        super().__init__(given)
        self._unroll = engine_for(self.name, given.cells[0])
        self._leaves = [
            {"x": x.clone().requires_grad_(), **dict(cell.named_parameters())}
            for x, cell in zip(given.x, given.cells, strict=True)
        ]

    @classmethod
    def refusal(cls, given: Given) -> str | None:
        """Return which cells the engine runs, if these are others."""
        try:
            engine_for(cls.name, given.cells[0])
        except ValueError:
            return f"runs {cls.cells}"
        return None

    def leaves(self, run: int) -> Mapping[str, Tensor]:
        """Return the inputs and the parameters of the cell."""
        return self._leaves[run]

    def last(self, run: int) -> Tensor:
        """Return the last hidden states, [B, H]."""
        h: Tensor = self._unroll(self.given.cells[run], self._leaves[run]["x"])[1][0]
        return h


class Eager(Engine):
    """The eager loop, which runs any cell."""

    name = "eager"
    cells = "any cell"


class Torch(Engine):
    """PyTorch's fused functions with the weights of our cell."""

    name = "torch"
    cells = "the cells that PyTorch has a fused module for"


class Scan(Engine):
    """All steps at once, of a cell that is linear in its state."""

    name = "scan"
    cells = "the cells that are linear in their state"


class Compiled(Engine):
    """Chunks of the eager loop through ``torch.compile``."""

    name = "compiled"
    cells = "any cell, where there is a C++ compiler"
    compiles_s = 20.0

    def __init__(self, given: Given) -> None:
        torch._dynamo.reset()  # beside what was compiled at other sizes, it would be compiled for sizes of any kind
        super().__init__(given)


class AllRuns(TorchContender):
    """An engine that takes all runs in one call, ``engine``."""

    engine: ClassVar[ModuleType]
    at_once = True

    def __init__(self, given: Given) -> None:
        super().__init__(given)
        self.engine.check(given.cells[0])  # which builds what is not there yet
        weights = {
            f"{run}.{name}": parameter
            for run, cell in enumerate(given.cells)
            for name, parameter in cell.named_parameters()
        }
        self._leaves = {"x": given.x.clone().requires_grad_(), **weights}

    @classmethod
    def refusal(cls, given: Given) -> str | None:
        """Return why it does not run these cells; whether it can be built is not asked."""
        if not cls.engine.fits(given.cells[0]):
            return "runs the cells of the native engine"
        why: str | None = cls.engine.refusal(given.x)
        return why

    def leaves(self, run: int) -> Mapping[str, Tensor]:
        """Return the inputs and parameters of all runs."""
        return self._leaves

    def last(self, run: int) -> Tensor:
        """Return the last hidden states of all runs, [R, B, H]."""
        h: Tensor = self.engine.unroll_runs(self.given.cells, self._leaves["x"])[1][0]
        return h

    def gradients(self, run: int) -> Gradients:
        """Pick a run's part."""
        found = named(self._leaves, self.train(run))
        own = {name: found[f"{run}.{name}"] for name, _ in self.given.cells[run].named_parameters()}
        return {"x": found["x"][run], **own}


class Native(AllRuns):
    """The recurrence in C++."""

    name: ClassVar[str] = "native"
    engine: ClassVar[ModuleType] = native


class Triton(AllRuns):
    """The recurrence in Triton."""

    name: ClassVar[str] = "triton"
    engine: ClassVar[ModuleType] = triton
    compiles_s = 10.0
