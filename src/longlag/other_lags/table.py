"""Runs at other lags as tables, in lines of 80 columns: one run's figures, or a map of trained lag × tested lag."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from longlag.terminal import print_line, print_table

Row = Mapping[str, Any]
_WIDTH = 80
_FLOW = ("early_gradient", "gradient_half_life", "direct_half_life")


def print_run(rows: Sequence[Row], console: Console) -> None:
    """Print the figures of one run at each lag."""
    flow = any(row["early_gradient"] is not None for row in rows)
    headings = [
        "T",
        "accuracy",
        "loss",
        "solved",
        *(["early gradient", "half-life", "direct half-life"] if flow else []),
    ]
    lines = []
    for row in rows:
        line = [str(row["tested_T"]), f"{row['accuracy']:.3f}", f"{row['loss']:.3g}", "yes" if row["solved"] else "no"]
        lines.append([*line, *([_short(row[name]) for name in _FLOW] if flow else [])])
    print_table(headings, lines, console)


def print_map(rows: Sequence[Row], console: Console, multiples: bool = False) -> None:
    """Print the mean accuracy of each setting at each lag, and how many of its runs meet the criterion there.

    Args:
        rows: the figures of each run at each lag.
        console: where to print.
        multiples: whether a column is a multiple of the trained lag, to a tenth, and not a lag.

    """
    groups = grouped(rows)
    cells: dict[tuple[str, float], str] = {}
    for name, by_lag in groups.items():
        for T, found in by_lag.items():
            column = round(T / found[0]["trained_T"], 1) if multiples else T
            solved = f"{sum(row['solved'] for row in found)}/{len(found)}"
            cells[name, column] = f"{mean(found, 'accuracy'):.3f} {solved}"
    columns = sorted({column for _, column in cells})
    title = "trained at"
    room = _WIDTH - max(map(len, [*groups, title]))
    widest = 2 + max(map(len, cells.values()))
    across = max(1, room // widest)
    for k in range(0, len(columns), across):
        block = columns[k : k + across]
        print_line(console, "")
        lines = [[name, *(cells.get((name, column), "-") for column in block)] for name in groups]
        print_table([title, *(f"{column:g}{' T' * multiples}" for column in block)], lines, console, left=[title])


def grouped(rows: Sequence[Row]) -> dict[str, dict[int, list[Row]]]:
    """Return the rows by setting and trained lag, named for a person, and then by tested lag."""
    groups: dict[str, dict[int, list[Row]]] = {}
    for row in rows:
        bias = "" if row["forget_bias"] is None else f" b={_short(row['forget_bias'])}"
        name = f"{row['cell']} {row['task']}{bias} T={row['trained_T']}"
        groups.setdefault(name, {}).setdefault(row["tested_T"], []).append(row)
    return groups


def mean(rows: Sequence[Row], key: str) -> float:
    """Return the mean of a figure."""
    return float(sum(row[key] for row in rows) / len(rows))


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "-" if value is None else f"{value:.3g}"
