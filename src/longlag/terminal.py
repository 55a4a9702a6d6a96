"""Print to a terminal, a file or a pipe: lines, tables and durations look the same in every command."""

import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# rich is imported inside of the functions, so that importing this module costs nothing.


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
        name = heading if ruled else " ".join(heading.split()).replace(". ", ".")  # "cell.\nheads" -> "cell.heads"
        table.add_column(name, justify="left" if heading in left else "right", vertical="bottom")
    return table


def duration(seconds: float) -> str:
    """Return a duration in words: ``45 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 59.5:
        return f"{max(1, round(seconds))} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"
