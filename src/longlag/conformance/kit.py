"""The conformance kit: what every cell must keep to, and what it must live up to because it claims it."""

from collections.abc import Iterator

from longlag.conformance.claims import Claims
from longlag.conformance.contract import Contract
from longlag.conformance.result import Result, made
from longlag.conformance.specimen import MakeCell, Specimen


def conformance(make: MakeCell, input_size: int) -> Iterator[Result]:
    """Make all checks of a cell, one after the other, and yield what each found.

    Args:
        make: makes the cell under test, with some of its arguments changed.
        input_size: I of the inputs that it is given.

    """
    cells = Specimen(make, input_size)
    return made([*Contract(cells).checks(), *Claims(cells).checks()])
