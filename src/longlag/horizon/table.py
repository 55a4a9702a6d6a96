"""Horizons as tables, in lines of 80 columns: settings × tasks, and the curve of one search."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from longlag.terminal import print_line, print_table

_WIDTH = 80


def print_horizons(entries: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the horizon of each setting on each task, with its interval; many tasks take several tables.

    Args:
        entries: as :mod:`longlag.horizon.study_file` holds them.
        console: where to print.

    """
    settings = list(dict.fromkeys(entry["setting"] for entry in entries))
    tasks = list(dict.fromkeys(entry["task"] for entry in entries))
    cells = {(entry["setting"], entry["task"]): f"{entry['text']} ({entry['interval']})" for entry in entries}
    first = max(map(len, [*settings, "setting"]))
    blocks: list[list[str]] = []
    left = 0
    for task in tasks:
        width = 2 + max(len(task), *(len(cells.get((setting, task), "")) for setting in settings))
        if not blocks or width > left:
            blocks.append([])
            left = _WIDTH - first
        blocks[-1].append(task)
        left -= width
    for block in blocks:
        print_line(console, "")
        rows = [[setting, *(cells.get((setting, task), "-") for task in block)] for setting in settings]
        print_table(["setting", *block], rows, console, left=["setting"])


def print_curve(entry: Mapping[str, Any], console: Console) -> None:
    """Print how often each lag was solved in one search."""
    rows = []
    for tested in entry["curve"]:
        tuned = " ".join(f"{key}={value:g}" for key, value in entry["tuned"].get(str(tested["T"]), {}).items())
        interval = f"{100 * tested['rate_low']:.0f}–{100 * tested['rate_high']:.0f} %"
        solved = f"{tested['solved']} of {tested['trials']}"
        rows.append([str(tested["T"]), solved, interval, tested["verdict"], tuned])
    headings = ["T", "solved", "95 %", "the horizon", "tuned"]
    if not any(row[-1] for row in rows):
        headings, rows = headings[:-1], [row[:-1] for row in rows]
    print_table(headings, rows, console)
