"""Print to a terminal, a file or a pipe: lines, tables and durations look the same in every command."""

import io
import os
import stat
import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# rich is imported inside of the functions, so that importing this module costs nothing.


def print_what_fits() -> None:
    """Let the standard streams replace a character that their encoding lacks by a question mark."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def print_starting() -> None:
    """Show in a terminal that a command starts, before imports that take seconds; the next line takes its place."""
    if sys.stdout.isatty() and sys.stderr.isatty():
        print("starting …", end="\r", file=sys.stderr, flush=True)


def leave_closed_terminal() -> None:
    """After SIGHUP, print to nowhere: a line to a terminal that was closed would be an error in the middle of a run."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if stat.S_ISCHR(os.fstat(stream).st_mode):  # a file or a pipe goes on
            os.dup2(nowhere, stream)
    os.close(nowhere)


def stdout_console(width: int = 200) -> "Console":
    """Return a console on the standard output.

    Args:
        width: of the lines where the standard output is not a terminal.

    """
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=width)


def print_line(console: "Console", line: str, style: str | None = None) -> None:
    """Print text as it is: no markup, no emoji, no colour of numbers, and a long line stays one line."""
    console.print(line, style=style, highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_warning(message: str) -> None:
    """Print a warning in one line on stderr."""
    print(f"longlag: {message}", file=sys.stderr)


def plain_table(headings: Sequence[str], console: "Console", left: Collection[str] = ()) -> "Table":
    """Return an empty table: with a rule below the headings in a terminal, plain columns elsewhere.

    Args:
        headings: of the columns; a line break in a heading counts in a terminal only.
        console: where the table will be printed.
        left: the headings of the columns that are aligned to the left.

    """
    from rich import box
    from rich.table import Table

    ruled = console.is_terminal
    table = Table(
        box=box.SIMPLE_HEAD if ruled else None,
        show_edge=False,
        pad_edge=False,
        collapse_padding=ruled,
        header_style="bold",
    )
    for heading in headings:
        table.add_column(
            heading if ruled else _one_line(heading), justify="left" if heading in left else "right", vertical="bottom"
        )
    return table


def print_table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], console: "Console", left: Collection[str] = ()
) -> None:
    """Print a table. In a terminal that is too narrow for the table nothing is cut.

    There, columns in which all rows agree become a line above the table. If that is not enough, each row becomes a
    paragraph.

    Args:
        headings: of the columns, as in :func:`plain_table`.
        rows: an entry for each column.
        console: where to print.
        left: the headings of the columns that are aligned to the left.

    """
    if not console.is_terminal or _fits(headings, rows, console, left):
        console.print(_filled(headings, rows, console, left))
        return
    alike = [number for number in range(len(headings)) if len(rows) > 1 and len({row[number] for row in rows}) == 1]
    differ = [number for number in range(len(headings)) if number not in alike]
    if alike:
        shared = _pairs([headings[number] for number in alike], [rows[0][number] for number in alike])
        console.print(f"all: {shared}", style="dim", highlight=False, markup=False)
    headings, rows = [headings[number] for number in differ], [[row[number] for number in differ] for row in rows]
    if _fits(headings, rows, console, left):
        console.print(_filled(headings, rows, console, left))
    else:
        for row in rows:
            console.print(_pairs(headings, row), highlight=False, markup=False)


def _fits(headings: Sequence[str], rows: Sequence[Sequence[str]], console: "Console", left: Collection[str]) -> bool:
    from rich.measure import Measurement

    wide = console.options.update(width=10_000)
    return Measurement.get(console, wide, _filled(headings, rows, console, left)).maximum <= console.width


def _filled(
    headings: Sequence[str], rows: Sequence[Sequence[str]], console: "Console", left: Collection[str]
) -> "Table":
    from rich.markup import escape

    table = plain_table(headings, console, left)
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def _pairs(headings: Sequence[str], row: Sequence[str]) -> str:
    return ", ".join(f"{_one_line(heading)} {entry}" for heading, entry in zip(headings, row, strict=True))


def _one_line(heading: str) -> str:
    return " ".join(heading.split()).replace(". ", ".")  # "cell.\nheads" -> "cell.heads"


def shortened(text: str, room: int) -> str:
    """Return a text in so many columns: the middle of a longer one is cut, because titles differ at their ends."""
    if len(text) <= room:
        return text
    start = room // 2
    return f"{text[:start]}…{text[len(text) - (room - start - 1) :]}" if room > 1 else ""


def duration(seconds: float) -> str:
    """Return a duration in words: ``45 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
