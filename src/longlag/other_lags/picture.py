"""A figure of runs at other lags: accuracy and early gradient against the tested lag."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from longlag.other_lags.table import grouped, mean
from longlag.report.figures.style import STYLE, legend, look, new_figure, quiet_grid, remark, save

Row = Mapping[str, Any]


def save_other_lags(rows: Sequence[Row], path: Path) -> Path:
    """Write the figure as a PNG.

    Args:
        rows: the figures of each run at each lag.
        path: of the figure.

    Raises:
        OSError: it cannot be written.

    """
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        return save(_figure(rows), path)


def _figure(rows: Sequence[Row]) -> Figure:
    groups = grouped(rows)
    flow = any(row["early_gradient"] for row in rows)
    figure = new_figure(2.2)
    (panels,) = figure.subplots(1, 2 if flow else 1, squeeze=False)
    for number, by_lag in enumerate(groups.values()):
        lags = sorted(by_lag)
        trained = next(iter(by_lag.values()))[0]["trained_T"]
        accuracy = {T: mean(by_lag[T], "accuracy") for T in lags}
        _line(panels[0], accuracy, trained, number)
        if flow:
            early = {T: mean(by_lag[T], "early_gradient") for T in lags}
            _line(panels[1], {T: value for T, value in early.items() if value > 0}, trained, number)
    panels[0].set_ylabel("accuracy")
    panels[0].set_ylim(0, 1.03)  # the whole scale: chance must not look like a change
    if flow:
        panels[1].set_ylabel("early gradient")
        panels[1].set_yscale("log")
    marked: list[int] = []
    for T in sorted({row["tested_T"] for row in rows}):
        marked += [T] if not marked or 1.6 * marked[-1] <= T else []
    for axis in panels:
        axis.set_xscale("log", base=2)
        axis.set_xticks(marked, [str(T) for T in marked])
        axis.xaxis.set_minor_formatter(NullFormatter())
        quiet_grid(axis)
    legend(figure, "tested at T (steps)", list(groups), "trained")
    remark(
        figure,
        f"Means over the runs of a setting; {rows[0]['sequences']} test sequences each. A ring: the trained lag.",
    )
    return figure


def _line(axis: Axes, values: Mapping[int, float], trained: Any, number: int) -> None:
    style = look(number)
    axis.plot(list(values), list(values.values()), marker="o", markersize=2.5, **style)
    if trained in values:
        axis.plot([trained], [values[trained]], marker="o", markersize=6, fillstyle="none", color=style["color"])
