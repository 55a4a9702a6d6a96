"""The places of the panels of a figure: rows stand for settings, columns for lags."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from longlag.report.figures.groups import distinct


@dataclass(frozen=True)
class Places:
    """The places of panels.

    Args:
        rows: the names of the rows, from top to bottom.
        columns: the number of columns.
        aligned: whether each lag has a column. If not, the lags of each row follow each other from the left, since
            the rows have so few lags in common that a column for each would leave holes.
        at: (row, lag) -> the column.

    """

    rows: list[Any]
    columns: int
    aligned: bool
    at: dict[tuple[Any, Any], int]

    @classmethod
    def of(cls, panels: Iterable[tuple[Any, Any]]) -> "Places":
        """Return the places of panels, each a row and a lag."""
        pairs = list(dict.fromkeys(panels))
        rows, lags = list(dict.fromkeys(row for row, _ in pairs)), distinct(lag for _, lag in pairs)
        own = {row: distinct(lag for name, lag in pairs if name == row) for row in rows}
        columns = max(map(len, own.values()))
        aligned = columns == len(lags)
        return cls(
            rows, columns, aligned, {(row, lag): (lags if aligned else own[row]).index(lag) for row, lag in pairs}
        )
