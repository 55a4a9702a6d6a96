"""The parallel form of the cells that are linear in their state: all steps at once, in log₂ T rounds."""

from torch import Tensor

from longlag.cells import Cell, State


def check(cell: Cell) -> None:
    """Refuse every cell: there is none yet."""
    raise ValueError(f"engine=scan runs cells that are linear in their state; {type(cell).__name__} is not one")


def unroll(cell: Cell, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run nothing."""
    raise NotImplementedError
