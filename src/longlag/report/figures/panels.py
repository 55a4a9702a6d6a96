"""Panels of curves: rows, columns and lines stand for settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from longlag.report.figures.groups import Group, distinct, joined, rank, shown
from longlag.report.figures.places import Places
from longlag.report.figures.style import (
    GREY,
    WIDTH,
    broken,
    legend,
    look,
    new_figure,
    powers_of_ten,
    quiet_grid,
    remark,
)

Array = NDArray[np.float64]

#: Stands for the logarithm of 0; the logarithm of every float64 is larger.
OF_ZERO = -400.0
_MOST_BANDS = 8  # with more lines than this, bands would hide each other
_ROW = 1.5  # inches
_THIN: dict[str, Any] = {"linestyle": ":", "linewidth": 0.8}


@dataclass
class Panels:
    """The panels of a figure of curves.

    Each T has a column, and each moment a row. If a cell has one setting at each T, the cells share the panels, and
    each has a line. Otherwise each cell has a row, and each of its other settings a line, in one legend for all rows.

    Args:
        places: the rows and columns.
        lines: what the lines stand for.
        of_line: returns what the line of a group stands for.
        names: the names of the lines.
        title: the title of the legend.

    """

    places: Places
    lines: list[Any]
    of_line: Callable[[Group], Any]
    names: list[str]
    title: str
    figure: Figure = field(default_factory=Figure)
    axes: dict[tuple[str, str, Any], Axes] = field(default_factory=dict)
    """(row, moment, lag) -> axes."""
    log: bool = False
    thin: bool = False
    most: int = 1
    """The most curves of a line."""
    y_title: str = ""

    @classmethod
    def of(cls, groups: Sequence[Group]) -> "Panels":
        """Return the panels for these groups."""
        if len({(group.cell, group.T) for group in groups}) == len(groups):
            cells = list(dict.fromkeys(group.cell for group in groups))
            places = Places.of(("", group.T) for group in groups)
            return cls(places, cells, lambda group: group.cell, cells, "")
        places = Places.of((group.cell, group.T) for group in groups)
        if len({(group.cell, group.T, group.rest) for group in groups}) == len(groups):
            rests = list(dict.fromkeys(group.rest for group in groups))
            return cls(places, rests, lambda group: group.rest, rests, "")
        without = joined(*dict.fromkeys(group.cell for group in groups if group.bias is None))
        if len({group.rest for group in groups}) == 1:
            biases = distinct(group.bias for group in groups)
            names = [f"none ({without})" if bias is None and without else shown(bias) for bias in biases]
            return cls(places, biases, lambda group: group.bias, names, "forget bias")
        lines = sorted({(group.bias, group.rest) for group in groups}, key=lambda line: (rank(line[0]), line[1]))
        names = [joined(without if bias is None else f"b = {shown(bias)}", rest) for bias, rest in lines]
        return cls(places, lines, lambda group: (group.bias, group.rest), names, "")

    def draw(self, moments: Sequence[str], title: str, log: bool, same_x: bool = False) -> None:
        """Draw the axes.

        Args:
            moments: the names of the moments, or one empty name.
            title: the title of the vertical axes.
            log: whether the values are logarithms to base 10.
            same_x: whether all panels have one horizontal axis; if not, those of one T have.

        """
        self.log, self.y_title = log, title
        rows = [(name, moment) for name in self.places.rows for moment in moments]
        height = max(0.75 + _ROW * len(rows), 0.6 + 0.17 * len(self.lines))
        self.figure = new_figure(height, max(WIDTH, 1.6 + 1.0 * self.places.columns))
        same: Any = "all" if same_x else "col" if self.places.aligned else "none"
        drawn = self.figure.subplots(len(rows), self.places.columns, squeeze=False, sharex=same, sharey=True)
        for axis in drawn.flat:
            axis.set_visible(False)
        for (name, T), column in self.places.at.items():
            for moment in moments:
                axis = self.axes[name, moment, T] = drawn[rows.index((name, moment)), column]
                axis.set_visible(True)
                quiet_grid(axis)

    def band(
        self, group: Group, moment: str, xs: Array, values: Array, thin: bool = False, to_log: bool = False
    ) -> None:
        """Draw the median of the curves of a group, [curves, xs], and their range; NaN is a missing value.

        The range is left out for a thin line, and where there are more than eight lines.

        Args:
            group: the setting.
            moment: the moment.
            xs: the places, [xs].
            values: the curves: log10 of the values if the axes are logarithmic, unless ``to_log`` is set.
            thin: whether the line is a thin one beside the line of the group.
            to_log: whether the median and the range are those of the values and are drawn as log10.

        """
        axis = self.axes[group.cell if group.cell in self.places.rows else "", moment, group.T]
        style = look(self.lines.index(self.of_line(group))) | (_THIN if thin else {})
        self.thin |= thin
        values = values if to_log else drawable(values)
        some = ~np.isnan(values).all(0)
        if not some.any():
            return
        xs, values = xs[some], values[:, some]
        self.most = max(self.most, len(values))
        middle, low, high = (
            _log10(statistic(values, 0)) if to_log else statistic(values, 0)
            for statistic in (np.nanmedian, np.nanmin, np.nanmax)
        )
        axis.plot(xs, middle, **style)
        if not thin and len(values) > 1 and len(self.lines) <= _MOST_BANDS:
            axis.fill_between(xs, low, high, color=style["color"], alpha=0.15, linewidth=0)

    def finish(self, x_title: str, subject: str, notes: Sequence[str], floor: float) -> None:
        """Draw axes, titles and legend around the curves.

        Args:
            x_title: the title of the horizontal axes.
            subject: cell and task, where all curves have the same.
            notes: texts for the small print; empty ones are left out.
            floor: the lowest end of a logarithmic axis.

        """
        for axis in self.axes.values():
            axis.set_visible(axis.has_data())
        self.axes = {place: axis for place, axis in self.axes.items() if axis.has_data()}
        drawn = list(self.axes.values())
        lowest = min((axis.dataLim.ymin for axis in drawn), default=0.0)
        if self.log and drawn:  # all axes share one scale
            low, high = max(floor, lowest), max(floor, *(axis.dataLim.ymax for axis in drawn))
            room = 0.04 * max(high - low, 1)
            drawn[0].set_ylim(low - room, high + room)
            powers_of_ten(drawn[0], low - room, high + room)
        self._label()
        self.figure.supylabel(self.y_title, fontsize=8)
        cut = f"cut at $10^{{{floor:.0f}}}$, where float32 ends" if self.log and lowest < floor else ""
        more = [("direct path", {"color": GREY, **_THIN})] if self.thin else []
        legend(self.figure, x_title, self.names, self.title if len(self.lines) > 1 else "", more)
        band = "median over seeds" + (" and their range" if len(self.lines) <= _MOST_BANDS else "")
        alone = f"{self.title} {self.names[0]}" if len(self.lines) == 1 and self.title else ""
        texts = [joined(subject, alone), band if self.most > 1 else "", *notes, cut]
        remark(self.figure, "; ".join(filter(None, texts)))

    def _label(self) -> None:
        """Write the name of each row beside its first panel, and T above its column or, without columns, each panel."""
        named, titled, lowest = set(), set(), {}
        for (name, moment, _), axis in sorted(
            self.axes.items(), key=lambda item: self.places.at[item[0][0], item[0][2]]
        ):
            if (name, moment) not in named:
                axis.set_ylabel(broken(joined(name, moment), _ROW))
                axis.tick_params(labelleft=True)
            named.add((name, moment))
        for (name, _, T), axis in self.axes.items():
            title = T if self.places.aligned else (name, T)
            if title not in titled:
                axis.set_title(f"T = {shown(T)}")
            titled.add(title)
            lowest[self.places.at[name, T]] = axis
        for axis in lowest.values():
            axis.tick_params(labelbottom=True)


def drawable(values: Array) -> Array:
    """Return log10 values with ``OF_ZERO`` for -inf, and NaN for +inf."""
    return np.where(np.isneginf(values), OF_ZERO, np.where(np.isfinite(values), values, np.nan))


def _log10(values: Array) -> Array:
    return drawable(np.log10(values, out=np.full_like(values, -np.inf), where=~(values <= 0)))
