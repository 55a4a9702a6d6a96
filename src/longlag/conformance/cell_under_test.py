"""The cell under test: a fresh cell for each check, and a state after some steps, in which every part is active."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from longlag.cells import State
from longlag.engine.eager import unroll

#: Makes a cell; keyword arguments change its settings, and its weights come from torch's global generator.
MakeCell = Callable[..., Any]


class CellUnderTest:
    """Makes the cells, states and inputs of the checks.

    Args:
        make: makes the cell under test.
        input_size: I of its inputs.

    """

    def __init__(self, make: MakeCell, input_size: int) -> None:
        self.make = make
        self.input_size = input_size

    def fresh(self, **changes: Any) -> Any:
        """Return a cell with the weights of seed 0."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return self.make(**changes)

    def running(self) -> tuple[Any, State]:
        """Return a float64 cell, and its state for two sequences after three steps."""
        cell = self.fresh().double()
        with torch.no_grad():
            _, state = unroll(cell, self.inputs(2, 3))
        return cell, state

    def inputs(self, B: int, T: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return standard normal noise [B, T, I]."""
        return torch.randn(B, T, self.input_size, generator=torch.Generator().manual_seed(0), dtype=dtype)


def relative_error(value: Tensor, reference: Tensor) -> float:
    """Return the norm of the difference over the norm of the reference; the difference alone if the reference is 0."""
    norm = torch.linalg.vector_norm(reference).item()
    return float(torch.linalg.vector_norm(value - reference).item() / (norm or 1.0))
