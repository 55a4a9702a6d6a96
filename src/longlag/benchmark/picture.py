"""The figures as a picture: the time of a step against the number of hidden units."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from longlag.benchmark.machine import machine_line
from longlag.benchmark.results import Report, Row

#: Contender -> colour and marker; colour-blind people can tell them apart too.
_LOOKS = {
    "native": ("#0072b2", "o"),
    "eager": ("#d55e00", "s"),
    "torch": ("#009e73", "^"),
    "scan": ("#e69f00", "P"),
    "bare": ("#cc79a7", "v"),
    "jax": ("#56b4e9", "D"),
    "torchrecurrent": ("#8a8f98", "X"),
    "flashrnn": ("#b08d2f", "p"),
    "compiled": ("#7f3c8d", "*"),
}
_OTHER = ("#5f6670", "h")
_LETTERS = 16  # letters of the title in an inch


def save_picture(report: Report, path: Path) -> None:
    """Draw microseconds per step, forward and backward, against H, and save it as a PNG.

    A row of panels for each cell, a column for each B, T and R; a line for each contender, with a bar from the least to
    the most of the rounds; the floor is dashed.

    Args:
        report: the figures, with at least one row.
        path: the path of the PNG.

    """
    cells = list(dict.fromkeys(row.cell for row in report.rows))
    sizes = sorted({(row.B, row.T, row.R) for row in report.rows})
    figure = Figure(figsize=(3.4 * len(sizes) + 1.6, 3.0 * len(cells) + 0.7), dpi=150, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    rate = f"; floor: {report.rate_gflops:.0f} GFLOP/s" if report.rate_gflops else ""
    title = textwrap.wrap(f"{machine_line(report.machine)}{rate}", int(_LETTERS * figure.get_figwidth()))
    figure.suptitle("\n".join(title), fontsize=7, x=0.01, ha="left")
    axes = figure.subplots(len(cells), len(sizes), squeeze=False, sharex=True, sharey="row")
    for cell, line in zip(cells, axes, strict=True):
        for (B, T, R), axis in zip(sizes, line, strict=True):
            rows = [row for row in report.rows if (row.cell, row.B, row.T, row.R) == (cell, B, T, R)]
            _draw(axis, rows)
            runs = f", {R} runs" if R > 1 else ""
            axis.set_title(f"{cell}, B={B}, T={T}{runs}", fontsize=9, loc="left")
        line[0].set_ylabel("µs per time step and run", fontsize=8)
    for axis in axes[-1]:
        axis.set_xlabel("hidden units H", fontsize=8)
    _dress([axis for line in axes for axis in line], sorted({row.H for row in report.rows}))
    _legend(figure, report.rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.print_png(path)  # type: ignore[no-untyped-call]


def _draw(axis: Axes, rows: Sequence[Row]) -> None:
    for name in dict.fromkeys(row.contender for row in rows):
        known = sorted((row.H, row.both_us, row.both_least_us, row.both_most_us)
                       for row in rows if row.contender == name and row.both_us is not None)  # fmt: skip
        if known:
            H, median, least, most = zip(*known, strict=True)
            axis.plot(H, median, **_look(name))
            axis.vlines(H, least, most, color=_look(name)["color"], linewidth=3, alpha=0.3)
    floors = sorted({(row.H, row.floor_us) for row in rows if row.floor_us is not None})
    if floors:
        axis.plot(*zip(*floors, strict=True), **_floor(len(floors)))


def _dress(axes: Sequence[Axes], units: Sequence[int]) -> None:
    for axis in axes:
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(list(units), [str(each) for each in units])
        axis.minorticks_off()
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.grid(linewidth=0.3, color="#d8dbe0")


def _legend(figure: Figure, rows: Sequence[Row]) -> None:
    names = list(dict.fromkeys(row.contender for row in rows if row.both_us is not None))
    looks = {name: _look(name) for name in names}
    if any(row.floor_us is not None for row in rows):
        looks["floor"] = _floor(2)
    handles = [Line2D([], [], **look) for look in looks.values()]
    figure.legend(handles, list(looks), loc="outside right upper", fontsize=8, frameon=False)


def _look(name: str) -> dict[str, Any]:
    colour, marker = _LOOKS.get(name, _OTHER)
    return {"color": colour, "marker": marker, "markersize": 4.5, "linewidth": 1.3}


def _floor(points: int) -> dict[str, Any]:
    """Return the style of the floor's line; a single point is a dash."""
    return {"color": "black", "linestyle": "--", "linewidth": 1.0, "marker": "_" if points == 1 else ""}
