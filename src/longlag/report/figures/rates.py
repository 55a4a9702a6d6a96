"""The solve rate and the time to solve of each setting: maps over setting × T, or dots if only one of them varies."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from longlag.report.figures.groups import Group, distinct, left_out, names_of, shown
from longlag.report.figures.style import COLOURS, GREY, MAP, WIDTH, new_figure, quiet_grid, remark, wrapped
from longlag.report.records import counts
from longlag.report.statistics.rates import wilson

_SHARES = ScalarMappable(Normalize(0, 1), MAP)
_LATEST = 0.22  # where the times end in the colours, apart from never at 0
_NEVER = 0.2  # of the colour bar
_NAME, _LONG_NAME = 24, 40  # letters of a line


def solve_rates(groups: Sequence[Group], subject: str) -> Figure | None:
    """Return the figure of solve rates and median times to solve; ``None`` if no run has ended with an outcome.

    Each rate has its 95 % interval after Wilson. An unsolved run counts as longer than any solved one; where the median
    is an unsolved run, the figure shows ``>`` and the largest number of steps.
    """
    ended = [group for group in groups if group.trials]
    if not ended:
        return None
    names, lags = names_of(ended), distinct(group.T for group in ended)
    rows = list(dict.fromkeys(names))
    mapped = len(rows) > 1 and len(lags) > 1 and 2 * len(ended) > len(rows) * len(lags)  # and not many holes
    figure = _maps(ended, names) if mapped else _dots(ended)
    never = mapped and any(group.median_time is None for group in ended)
    notes = [
        subject,
        "solved runs of all that have ended, and the 95 % interval of the rate (Wilson)",
        "never: the median run is not solved within its budget" if never else "",
        left_out(groups, lambda run: counts(run.record), "which have not ended"),
    ]
    remark(figure, "; ".join(filter(None, notes)))
    return figure


def _maps(groups: Sequence[Group], names: Sequence[str]) -> Figure:
    """Draw two maps of setting × T: the rates, and the median times."""
    rows, lags = list(dict.fromkeys(names)), distinct(group.T for group in groups)
    biases_alone = len({group.name for group in groups}) == 1
    texts = {
        name: shown(group.bias) if biases_alone else wrapped(name, _NAME)
        for name, group in zip(names, groups, strict=True)
    }
    longest = max(len(line) for text in texts.values() for line in text.split("\n"))
    lines = 1 + max(text.count("\n") for text in texts.values())
    height = 1.35 + max(0.36, 0.13 * lines) * len(rows)
    figure = new_figure(height, max(WIDTH, 0.6 + 0.06 * longest + 2 * 0.5 * len(lags)))
    left, right = figure.subplots(1, 2, sharey=True)
    times = _time_scale(groups)
    for group, name in zip(groups, names, strict=True):
        at = lags.index(group.T), rows.index(name)
        _rate_cell(left, at, group)
        _time_cell(right, at, group, times)
    for axis, title in ((left, "share of runs solved"), (right, "median steps to solve")):
        _frame(axis, lags, [texts[name] for name in rows])
        axis.set_title(title)
        axis.set_xlabel("T (steps)")
    left.set_ylabel("forget bias" if biases_alone else "")
    _bar(figure, left, _SHARES).set_ticks([0, 0.5, 1], labels=["0", "½", "1"])
    _time_bar(figure, right, times, any(group.median_time is None for group in groups))
    return figure


def _time_scale(groups: Sequence[Group]) -> ScalarMappable:
    """Return the colours of the times: one ramp from the soonest median to the largest budget, and never at its end."""
    times = [max(time, 1) for group in groups if (time := group.median_time) is not None]  # 1: no logarithm of 0
    low = min(times, default=1)
    high = max([*times, *(group.longest for group in groups), low * 1.0001])
    ramp = ListedColormap(colormaps[MAP](np.linspace(1, _LATEST, 256))).with_extremes(over=colormaps[MAP](0.0))
    return ScalarMappable(LogNorm(low, high), ramp)


def _bar(figure: Figure, axis: Axes, scale: ScalarMappable, **style: Any) -> Colorbar:
    bar = figure.colorbar(scale, ax=axis, location="bottom", aspect=28, pad=0.03, **style)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)
    return bar


def _time_bar(figure: Figure, axis: Axes, scale: ScalarMappable, never: bool) -> None:
    """Draw the colour bar of the times, with never at its dark end."""
    low, high = scale.get_clim()
    low, high = low or 1.0, high or 1.0
    ticks = sorted({float(f"{tick:.2g}") for tick in np.geomspace(low, high, 4)})
    ticks = [tick for tick in ticks if low <= tick <= high] or [low]
    style = {"extend": "max", "extendfrac": _NEVER, "extendrect": True} if never else {}
    bar = _bar(figure, axis, scale, **style)
    bar.set_ticks(ticks, labels=[f"{tick:,.0f}" for tick in ticks])
    bar.minorticks_off()
    bar.ax.get_xticklabels()[0].set_horizontalalignment("left")
    if never:
        bar.ax.get_xticklabels()[-1].set_horizontalalignment("right")
        middle = 1 + _NEVER / 2
        bar.ax.annotate(
            "never", (middle, 0), (0, -5.5), "axes fraction", "offset points", ha="center", va="top", fontsize=7
        )


def _rate_cell(axis: Axes, at: tuple[int, int], group: Group) -> None:
    solved, low_high = len(group.times), wilson(len(group.times), group.trials)
    ink = _tile(axis, at, _SHARES, solved / group.trials)
    axis.text(at[0], at[1] - 0.14, f"{solved}/{group.trials}", color=ink, ha="center", va="center", fontsize=8)
    interval = "–".join(f"{100 * end:.0f}" for end in low_high)
    axis.text(at[0], at[1] + 0.24, f"{interval} %", color=ink, ha="center", va="center", fontsize=6)


def _time_cell(axis: Axes, at: tuple[int, int], group: Group, scale: ScalarMappable) -> None:
    time = group.median_time
    ink = _tile(axis, at, scale, math.inf if time is None else max(time, 1))
    text = f">{group.longest:,.0f}" if time is None else f"{time:,.0f}"
    axis.text(*at, text, color=ink, ha="center", va="center", fontsize=8)


def _tile(axis: Axes, at: tuple[int, int], scale: ScalarMappable, value: float) -> str:
    """Colour a cell of the map, and return the colour for text on it that has more contrast."""
    colour = (
        scale.cmap(np.asarray(scale.norm(np.array([value])))[0])
        if math.isfinite(value)
        else tuple(scale.cmap.get_over())
    )
    axis.add_patch(Rectangle((at[0] - 0.5, at[1] - 0.5), 1, 1, facecolor=colour, edgecolor="white", linewidth=1))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return "black" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 else "white"  # as in WCAG 2


def _frame(axis: Axes, lags: list[Any], names: list[str]) -> None:
    axis.set_xlim(-0.5, len(lags) - 0.5)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xticks(range(len(lags)), [shown(T) for T in lags])
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _dots(groups: Sequence[Group]) -> Figure:
    """Draw one row for each setting: the rate with its interval, and the median time beside it."""
    names = [wrapped(name, _LONG_NAME) or "all runs" for name in names_of(groups, lag=True)]
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
