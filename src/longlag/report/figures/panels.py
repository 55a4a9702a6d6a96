"""Panels of curves: rows, columns and lines stand for settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from longlag.report.figures.groups import Group, distinct, shown
from longlag.report.figures.style import GREY, WIDTH, legend, look, new_figure, powers_of_ten, quiet_grid, remark

Array = NDArray[np.float64]

#: Stands for the logarithm of 0; the logarithm of every float64 is larger.
OF_ZERO = -400.0
_MOST_BANDS = 8  # with more lines than this, bands would hide each other
_THIN: dict[str, Any] = {"linestyle": ":", "linewidth": 0.8}


@dataclass
class Panels:
    """The panels of a figure of curves.

    Each T has a column. Where the forget bias varies, each forget bias has a line, and each other setting a row;
    otherwise each other setting has a line. Each moment has a row.

    Args:
        rows: the names of the rows.
        columns: the lags of the columns.
        lines: the values that the lines stand for.
        of_line: returns the value of a group's line.
        title: the title of the legend.

    """

    rows: list[str]
    columns: list[Any]
    lines: list[Any]
    of_line: Callable[[Group], Any]
    title: str
    figure: Figure = field(default_factory=Figure)
    axes: dict[tuple[str, str, Any], Axes] = field(default_factory=dict)
    """(row, moment, column) -> axes."""
    log: bool = False
    thin: bool = False
    y_title: str = ""

    @classmethod
    def of(cls, groups: Sequence[Group]) -> "Panels":
        """Return the panels for these groups."""
        names, lags = list(dict.fromkeys(group.name for group in groups)), distinct(group.T for group in groups)
        if any(len({group.bias for group in groups if group.name == name}) > 1 for name in names):
            biases = distinct(group.bias for group in groups)
            return cls(names, lags, biases, lambda group: group.bias, "forget bias")
        return cls([""], lags, names, lambda group: group.name, "")

    def draw(self, moments: Sequence[str], title: str, log: bool) -> None:
        """Draw the axes.

        Args:
            moments: the names of the moments, or one empty name.
            title: the title of the vertical axes.
            log: whether the values are logarithms to base 10.

        """
        self.log = log
        rows = [(name, moment) for name in self.rows for moment in moments]
        height = max(0.75 + 1.5 * len(rows), 0.6 + 0.17 * len(self.lines))
        self.figure = new_figure(height, max(WIDTH, 1.6 + 1.0 * len(self.columns)))
        drawn = self.figure.subplots(len(rows), len(self.columns), squeeze=False, sharex="col", sharey=True)
        for row, (name, moment) in zip(drawn, rows, strict=True):
            for axis, T in zip(row, self.columns, strict=True):
                self.axes[name, moment, T] = axis
                quiet_grid(axis)
        self.y_title = title

    def band(self, group: Group, moment: str, xs: Array, values: Array, thin: bool = False) -> None:
        """Draw the median of the curves of a group, [curves, xs], and their range; NaN is a missing value.

        The range is left out for a thin line, and where there are more than eight lines.
        """
        axis = self.axes[group.name if group.name in self.rows else "", moment, group.T]
        style = look(self.lines.index(self.of_line(group))) | (_THIN if thin else {})
        self.thin |= thin
        values = drawable(values)
        some = ~np.isnan(values).all(0)
        if not some.any():
            return
        xs, values = xs[some], values[:, some]
        axis.plot(xs, np.nanmedian(values, 0), **style)
        if not thin and len(values) > 1 and len(self.lines) <= _MOST_BANDS:
            low, high = np.nanmin(values, 0), np.nanmax(values, 0)
            axis.fill_between(xs, low, high, color=style["color"], alpha=0.15, linewidth=0)

    def finish(self, x_title: str, subject: str, note: str, floor: float) -> None:
        """Draw axes, titles and legend around the curves.

        Args:
            x_title: the title of the horizontal axes.
            subject: cell and task, where all curves have the same.
            note: a text for the small print.
            floor: the lowest end of a logarithmic axis.

        """
        drawn = [axis for axis in self.axes.values() if axis.has_data()]
        lowest = min((axis.dataLim.ymin for axis in drawn), default=0.0)
        if self.log and drawn:  # all axes share one scale
            low, high = max(floor, lowest), max(floor, *(axis.dataLim.ymax for axis in drawn))
            room = 0.04 * max(high - low, 1)
            drawn[0].set_ylim(low - room, high + room)
            powers_of_ten(drawn[0], low - room, high + room)
        self._label()
        self.figure.supxlabel(x_title, fontsize=8)
        cut = f"cut at $10^{{{floor:.0f}}}$, where float32 ends" if self.log and lowest < floor else ""
        more = [("direct path", {"color": GREY, **_THIN})] if self.thin else []
        legend(self.figure, [shown(line) for line in self.lines], self.title if len(self.lines) > 1 else "", more)
        band = "median over seeds" + (" and their range" if len(self.lines) <= _MOST_BANDS else "")
        alone = f"{self.title} {shown(self.lines[0])}" if len(self.lines) == 1 and self.title else ""
        remark(
            self.figure,
            "; ".join(part for part in (", ".join(filter(None, (subject, alone))), band, note, cut) if part),
        )

    def _label(self) -> None:
        """Write the title of each row and of each column beside its first panel."""
        rows, columns, lowest = set(), set(), {}
        for (name, moment, T), axis in self.axes.items():
            axis.set_visible(axis.has_data())
            if not axis.has_data():
                continue
            if (name, moment) not in rows:
                row = ", ".join(part for part in (name, moment) if part)
                axis.set_ylabel("\n".join(part for part in (row, self.y_title) if part))
                axis.tick_params(labelleft=True)
            if T not in columns:
                axis.set_title(f"T = {shown(T)}")
            rows.add((name, moment))
            columns.add(T)
            lowest[T] = axis
        for axis in lowest.values():
            axis.tick_params(labelbottom=True)


def drawable(values: Array) -> Array:
    """Return log10 values with ``OF_ZERO`` for -inf, and NaN for +inf."""
    return np.where(np.isneginf(values), OF_ZERO, np.where(np.isfinite(values), values, np.nan))
