"""The cell under test: made afresh for each check, and brought into a state in which all of it is at work."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from longlag.cells import State
from longlag.engine.eager import unroll

#: Makes a cell, with some of its arguments changed; its weights come from torch's global generator.
MakeCell = Callable[..., Any]


class Specimen:
    """Where the checks get cells, states and inputs from.

    Args:
        make: makes the cell under test.
        input_size: I of the inputs that it is given.

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
        """Return a float64 cell and a state of two sequences in which it is after three steps."""
        cell = self.fresh().double()
        with torch.no_grad():
            _, state = unroll(cell, self.inputs(2, 3))
        return cell, state

    def inputs(self, B: int, T: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return standard normal noise [B, T, I]."""
        return torch.randn(B, T, self.input_size, generator=torch.Generator().manual_seed(0), dtype=dtype)


def off_by(found: Tensor, wanted: Tensor) -> float:
    """Return the norm of the difference over the norm, or the norm of the difference where the latter is 0."""
    norm = torch.linalg.vector_norm(wanted).item()
    return float(torch.linalg.vector_norm(found - wanted).item() / (norm or 1.0))
