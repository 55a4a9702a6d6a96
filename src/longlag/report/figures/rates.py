"""The solve rate and the time to solve of each setting: maps over T × forget bias, or dots if only one varies."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from longlag.report.figures.groups import Group, distinct, shown
from longlag.report.figures.style import COLOURS, GREY, MAP, PALE, WIDTH, new_figure, quiet_grid, remark
from longlag.report.statistics.rates import wilson


def solve_rates(groups: Sequence[Group], subject: str) -> Figure | None:
    """Return the figure of solve rates and median times to solve; ``None`` if no run has ended with an outcome.

    Each rate has its 95 % interval after Wilson. An unsolved run counts as longer than any solved one; where the median
    is an unsolved run, the figure shows ``>`` and the largest number of steps.
    """
    ended = [group for group in groups if group.trials]
    if not ended:
        return None
    grids = [[group for group in ended if group.name == name] for name in dict.fromkeys(group.name for group in ended)]
    mapped = any(len({g.T for g in grid}) > 1 and len({g.bias for g in grid}) > 1 for grid in grids)
    figure = _maps(grids) if mapped else _dots(ended)
    remark(
        figure,
        "; ".join(
            part for part in (subject, "solved runs of all runs, and the 95 % interval of the rate (Wilson)") if part
        ),
    )
    return figure


def _maps(grids: Sequence[Sequence[Group]]) -> Figure:
    """Draw two maps for each of the grids: the rates, and the median times."""
    groups = [group for grid in grids for group in grid]
    lags, biases = distinct(group.T for group in groups), distinct(group.bias for group in groups)
    figure = new_figure(0.7 + len(grids) * (0.5 + 0.36 * len(lags)), max(WIDTH, 1.2 + 2 * 0.45 * len(biases)))
    axes = figure.subplots(len(grids), 2, squeeze=False)
    times = [max(time, 1) for group in groups if (time := group.median_time) is not None]  # 1: no logarithm of 0
    scales = (
        ("share of runs solved", Normalize(0, 1), MAP),
        ("median steps to solve", LogNorm(min(times, default=1), max(times, default=1) * 1.0001), f"{MAP}_r"),
    )
    for row, grid in zip(axes, grids, strict=True):
        for axis, (title, norm, colours) in zip(row, scales, strict=True):
            for group in grid:
                at = biases.index(group.bias), lags.index(group.T)
                (_rate_cell if norm is scales[0][1] else _time_cell)(axis, at, group, norm, colours)
            _frame(axis, lags, biases)
            axis.set_title(": ".join(part for part in (grid[0].name, title) if part))
    for axis in axes[-1]:
        axis.set_xlabel("forget bias")
    for axis in axes[:, 0]:
        axis.set_ylabel("T (steps)")
    return figure


def _rate_cell(axis: Axes, at: tuple[int, int], group: Group, norm: Normalize, colours: str) -> None:
    solved, low_high = len(group.times), wilson(len(group.times), group.trials)
    ink = _tile(axis, at, solved / group.trials, norm, colours)
    axis.text(at[0], at[1] + 0.12, f"{solved}/{group.trials}", color=ink, ha="center", va="center", fontsize=8)
    interval = "–".join(f"{100 * end:.0f}" for end in low_high)
    axis.text(at[0], at[1] - 0.24, f"{interval} %", color=ink, ha="center", va="center", fontsize=6)


def _time_cell(axis: Axes, at: tuple[int, int], group: Group, norm: Normalize, colours: str) -> None:
    time = group.median_time
    ink = _tile(axis, at, None if time is None else max(time, 1), norm, colours)
    text = f">{group.longest:,.0f}" if time is None else f"{time:,.0f}"
    axis.text(*at, text, color=ink, ha="center", va="center", fontsize=8)


def _tile(axis: Axes, at: tuple[int, int], value: float | None, norm: Normalize, colours: str) -> str:
    """Colour a cell of the map, and return a colour for text on it."""
    corner = at[0] - 0.5, at[1] - 0.5
    if value is None:
        axis.add_patch(Rectangle(corner, 1, 1, facecolor=PALE, edgecolor="white", linewidth=1))
        return "black"
    colour = colormaps[colours](float(norm(value)))
    axis.add_patch(Rectangle(corner, 1, 1, facecolor=colour, edgecolor="white", linewidth=1))
    return "black" if 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 0.5 else "white"


def _frame(axis: Axes, lags: list[Any], biases: list[Any]) -> None:
    axis.set_xlim(-0.5, len(biases) - 0.5)
    axis.set_ylim(-0.5, len(lags) - 0.5)
    axis.set_xticks(range(len(biases)), [shown(bias) for bias in biases])
    axis.set_yticks(range(len(lags)), [shown(T) for T in lags])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _dots(groups: Sequence[Group]) -> Figure:
    """Draw one row for each setting: the rate with its interval, and the median time beside it."""
    names = _row_names(groups)
    figure = new_figure(0.8 + (0.2 if len(groups) <= 100 else 0.13) * len(groups))
    axis = figure.subplots()
    rows = np.arange(len(groups))[::-1]  # the first on top
    rates = np.array([len(group.times) / group.trials for group in groups])
    ends = np.array([wilson(len(group.times), group.trials) for group in groups])
    axis.hlines(rows, ends[:, 0], ends[:, 1], color=COLOURS[0], linewidth=1.2)
    axis.scatter(rates, rows, s=22, color=COLOURS[0], zorder=3, clip_on=False)
    for row, group in zip(rows, groups, strict=True):
        time = group.median_time
        text = f"median >{group.longest:,.0f} steps" if time is None else f"median {time:,.0f} steps"
        axis.annotate(
            f"{len(group.times)}/{group.trials}   {text}",
            (1.02, row),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=7,
            color=GREY,
            annotation_clip=False,
        )
    axis.set_yticks(rows, names)
    axis.set_xlim(-0.02, 1.02)
    axis.set_ylim(-0.6, len(groups) - 0.4)
    axis.set_xlabel("share of runs solved")
    quiet_grid(axis)
    return figure


def _row_names(groups: Sequence[Group]) -> list[str]:
    """Return the names of the settings: the values in which they differ."""
    names = {group.name for group in groups}
    lags = len({(group.name, group.T) for group in groups}) > len(names)
    biases = len({(group.name, group.bias) for group in groups}) > len(names)
    row_names = []
    for group in groups:
        parts = (group.name, lags and f"T = {shown(group.T)}", biases and f"b = {shown(group.bias)}")
        row_names.append(", ".join(part for part in parts if part) or "all runs")
    return row_names
