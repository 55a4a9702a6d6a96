"""The conformance kit: the contract of every cell, and the claims of this cell."""

from collections.abc import Iterator

from longlag.conformance.cell_under_test import CellUnderTest, MakeCell
from longlag.conformance.claims import Claims
from longlag.conformance.contract import Contract
from longlag.conformance.result import Result, run_checks


def conformance(make: MakeCell, input_size: int) -> Iterator[Result]:
    """Run all checks of a cell, one after the other, and yield their results.

    Args:
        make: makes the cell under test; keyword arguments change its settings.
        input_size: I of its inputs.

    """
    cells = CellUnderTest(make, input_size)
    return run_checks([*Contract(cells).checks(), *Claims(cells).checks()])
