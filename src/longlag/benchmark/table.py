"""The figures as tables: for the terminal, and in Markdown."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from longlag.benchmark.machine import machine_line
from longlag.benchmark.results import Report, Row
from longlag.terminal import print_line

_SIZE = ("cell", "H", "B", "T", "R")
_COLUMNS = (
    ("error", 5), ("first\n(s)", 6), ("µs/step", 7), ("least–most", 11), ("of the\nfloor", 6), ("forward\nµs/step", 7),
    ("least–most", 11),
)  # fmt: skip


def print_report(report: Report, console: Console) -> None:
    """Print the machine, a row for each size and contender, and the contenders that were left out."""
    print_line(console, machine_line(report.machine), "bold")
    for line in _explained(report):
        print_line(console, line)
    print_line(console, "")
    for part in _tables(report.rows) if report.rows else ():
        if isinstance(part, str):
            print_line(console, part, "bold")
        else:
            console.print(part)
    for row in report.rows:
        if row.state != "right":
            print_line(console, f"{row.state}: {row.contender} for {_named(row)}: {row.why}", "bold red")
    lines = _left_out(report)
    if lines:
        print_line(console, "\nleft out:")
    for line in lines:
        print_line(console, f"  {line}")
    for note in report.notes:
        print_line(console, f"\n{note}")


def markdown(report: Report) -> str:
    """Return the machine and two tables in Markdown, a row for each size, a column for each contender."""
    lines = [f"{machine_line(report.machine)}. {_rate(report)}", ""]
    names = list(dict.fromkeys(row.contender for row in report.rows))
    for heading, forward in (("Forward and backward", False), ("Forward alone, without a way back", True)):
        share = "" if forward else ", share of the floor"
        lines += [f"{heading}: µs per time step and run, median (least–most) of the rounds{share}:", ""]
        lines += [f"| {' | '.join([*_SIZE, 'floor', *names])} |", "|---" * (len(_SIZE) + 1 + len(names)) + "|"]
        for size in dict.fromkeys(row.size for row in report.rows):
            rows = {row.contender: row for row in report.rows if row.size == size}
            any_row = next(iter(rows.values()))
            floor = any_row.forward_floor_us if forward else any_row.floor_us
            best = min((at for row in rows.values() if (at := _median(row, forward)) is not None), default=None)
            cells = [_entry(rows.get(name), forward, best) for name in names]
            lines.append(f"| {' | '.join([*map(str, size), _number(floor), *cells])} |")
        lines.append("")
    errors = [row.error for row in report.rows if row.error is not None and row.state == "right"]
    if errors:
        lines.append(f"The gradients of all that were timed are within {max(errors):.0e} of the float64 eager loop's.")
    lines += [f"Left out: {line}." for line in _left_out(report)]
    lines += [f"{note}." for note in report.notes]
    return "\n".join(lines).rstrip() + "\n"


def _explained(report: Report) -> list[str]:
    """Explain the columns, in lines."""
    return [
        "µs per time step and run, forward and backward: the median of the rounds, their least and most; then the same"
        " forward alone, without a way back",
        "error: of the gradient, relative to the eager loop's in float64; first: seconds until the first gradient",
        f"floor: {_rate(report)}",
    ]


def _rate(report: Report) -> str:
    if not report.rate_gflops:
        return "The rate of the machine was not measured"
    return (
        f"6·G·H·(H+I)·B operations a step (G gates) at {report.rate_gflops:.0f} GFLOP/s, the best of the matrix"
        f" products that were measured in turn with the contenders ({report.rate_of}, float32)"
    )


def _tables(rows: Sequence[Row]) -> Iterator[str | Table]:
    """Yield for each size its heading, and a table with a row for each contender; all tables have the same columns."""
    names = max(len(row.contender) for row in rows)
    for number, size in enumerate(dict.fromkeys(row.size for row in rows)):
        of_size = [row for row in rows if row.size == size]
        floor = of_size[0].floor_us
        yield f"{_named(of_size[0])}{'' if floor is None else f', floor {_number(floor)} µs'}"
        table = Table(box=None, show_header=number == 0, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("", width=names + 2)
        for heading, width in _COLUMNS:
            table.add_column(heading, justify="right", vertical="bottom", width=width, no_wrap=True)
        best = min((row.both_us for row in of_size if row.both_us is not None), default=None)
        for row in of_size:
            bold = row.both_us is not None and row.both_us == best
            table.add_row(f"  {row.contender}", *_figures(row), style="bold" if bold else "")
        yield table


def _figures(row: Row) -> list[str]:
    """Return the texts of a row of the table."""
    error = "-" if row.error is None else f"{row.error:.0e}"
    first = "-" if row.first_s is None else f"{row.first_s:.2f}"
    if row.both_us is None:
        return [error, first, row.state, *["-"] * 4]
    return [
        error,
        first,
        _number(row.both_us),
        f"{_number(row.both_least_us)}–{_number(row.both_most_us)}",
        _percent(row.share),
        _number(row.forward_us),
        f"{_number(row.forward_least_us)}–{_number(row.forward_most_us)}",
    ]


def _entry(row: Row | None, forward: bool, best: float | None) -> str:
    """Return a cell of the Markdown table; the fastest is bold."""
    if row is None:
        return "-"
    median = _median(row, forward)
    if median is None:
        return row.state
    least, most = (row.forward_least_us, row.forward_most_us) if forward else (row.both_least_us, row.both_most_us)
    figure = f"**{_number(median)}**" if median == best else _number(median)
    share = "" if forward or row.share is None else f" {_percent(row.share)}"
    return f"{figure} ({_number(least)}–{_number(most)}){share}"


def _median(row: Row, forward: bool) -> float | None:
    return row.forward_us if forward else row.both_us


def _left_out(report: Report) -> list[str]:
    lines = []
    for name, reasons in report.left_out.items():
        for why, cells in reasons.items():
            of_cells = f" ({', '.join(cells)})" if cells else ""
            lines.append(f"{name}{of_cells}: {why}")
    return lines


def _named(row: Row) -> str:
    return " ".join([row.cell, *(f"{name}={value}" for name, value in zip(_SIZE[1:], row.size[1:], strict=True))])


def _number(value: float | None) -> str:
    """Return three digits, or all before the point."""
    if value is None:
        return "-"
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def _percent(value: float | None) -> str:
    """Return two digits, or all before the point."""
    return "-" if value is None else f"{100 * value:.{0 if value >= 0.095 else 1 if value >= 0.0095 else 2}f} %"
