"""Figures of the error flow: the gradient against the lag, at initialisation, at the end and through training."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from longlag.report.curves import RunCurves
from longlag.report.figures.groups import Group, distinct, shown
from longlag.report.figures.panels import OF_ZERO, Array, Panels, drawable
from longlag.report.figures.style import MAP, PALE, WIDTH, new_figure, remark

LAG = "lag (steps back from the last target)"
_LAYER = 1  # reads the inputs
_SIDE_BY_SIDE = 5  # maps in a figure
_MOMENTS: dict[str, Callable[[list[int]], int]] = {"at initialisation": min, "at the end": max}
_FLOOR = -45.0  # log10; smaller values are 0 in float32
_DECADES = 12  # on the colour scale; an optimizer does not notice smaller gradients


def flow_curves(
    groups: Sequence[Group], subject: str, name: str, title: str, direct: str | None = None
) -> Figure | None:
    """Return the figure of a quantity of ``error_flow.csv`` against the lag; ``None`` if no run has it.

    The first row is at initialisation, the second at each run's last measurement. The line is the median over the
    seeds, the band their range.

    Args:
        groups: the settings.
        subject: cell and task, where all settings have the same.
        name: the name of the quantity, such as ``dh``.
        title: the title of the axis, which is logarithmic and ends at 1e-45, where float32 ends.
        direct: the name of the same quantity along the direct path, drawn thin.

    """
    drawn = [group for group in groups if any(_steps(run, name) for run in group.runs)]
    if not drawn:
        return None
    panels = Panels.of(drawn)
    panels.draw(list(_MOMENTS), title, log=True)
    for group in drawn:
        for moment, pick in _MOMENTS.items():
            panels.band(group, moment, *_against_lag(group, name, pick))
            if direct and any(_steps(run, direct) for run in group.runs):
                panels.band(group, moment, *_against_lag(group, direct, pick), thin=True)
    panels.finish(LAG, subject, _layer(drawn), _FLOOR)
    return panels.figure


def flow_maps(groups: Sequence[Group], subject: str, name: str, title: str) -> Figure | None:
    """Return maps of a quantity over lag × training step, for some settings; ``None`` if no run has it.

    Where the forget bias varies, all maps have one T: the one with the largest difference between solve rates. All maps
    share their colours. The median is over the seeds that were still in training.

    Args:
        groups: the settings.
        subject: cell and task, where all settings have the same.
        name: the name of the quantity, such as ``dh``.
        title: the title of the colour scale.

    """
    chosen = _chosen([group for group in groups if any(len(_steps(run, name)) > 1 for run in group.runs)])
    if not chosen:
        return None
    maps = [_through_training(group, name) for group in chosen]
    finite = np.concatenate([values[values > OF_ZERO] for *_, values in maps])
    if not len(finite):
        return None
    top = math.ceil(finite.max())
    bottom = max(top - _DECADES, math.floor(finite.min()))
    figure = new_figure(2.3, max(WIDTH * len(chosen) / _SIDE_BY_SIDE, 3.0))
    axes = figure.subplots(1, len(chosen), squeeze=False, sharey=True)[0]
    for axis, group, (steps, lags, values) in zip(axes, chosen, maps, strict=True):
        shades = axis.pcolormesh(
            _edges(steps), _edges(lags), np.maximum(values, bottom), vmin=bottom, vmax=top, cmap=MAP, rasterized=True
        )
        axis.set_title(f"{_heading(group, chosen)}\n{len(group.times)}/{group.trials} solved")
        axis.set_xlim(0, max(steps[-1] for steps, *_ in maps))
        axis.set_facecolor(PALE)
    below = "min" if finite.min() < bottom else "neither"
    figure.colorbar(shades, ax=list(axes), extend=below, pad=0.01, label=f"log$_{{10}}$ {title}")
    figure.supxlabel("optimizer steps", fontsize=8)
    axes[0].set_ylabel("lag (steps back)")
    lags_shown = {group.T for group in chosen}
    of = ", ".join([*filter(None, [subject]), *(f"T = {shown(T)}" for T in lags_shown if len(lags_shown) == 1)])
    note = "median over the seeds still in training; grey: no seed is"
    remark(figure, "; ".join(part for part in (of, note, _layer(chosen)) if part))
    return figure


def _chosen(groups: Sequence[Group]) -> list[Group]:
    """Return the settings whose maps are shown."""
    best, most = list(groups), -1.0
    for T in distinct(group.T for group in groups):
        for name in dict.fromkeys(group.name for group in groups):
            some = [group for group in groups if group.T == T and group.name == name]
            rates = [len(group.times) / group.trials for group in some if group.trials]
            if len(some) > 1 and rates and max(rates) - min(rates) >= most:
                best, most = some, max(rates) - min(rates)
    every = (len(best) - 1) / max(1, min(_SIDE_BY_SIDE, len(best)) - 1)
    return [best[round(k * every)] for k in range(min(_SIDE_BY_SIDE, len(best)))]


def _layer(groups: Sequence[Group]) -> str:
    """Return the name of the drawn layer, where there are several layers."""
    layers = {layer for group in groups for run in group.runs for _, layer in run.flow}
    return f"layer {_LAYER} of {max(layers)}" if max(layers) > _LAYER else ""


def _heading(group: Group, among: Sequence[Group]) -> str:
    """Return the heading of a map: the values in which its setting differs from the other ones."""
    bias = f"b = {shown(group.bias)}" if len({other.bias for other in among}) > 1 else ""
    lag = f"T = {shown(group.T)}" if len({other.T for other in among}) > 1 else ""
    return "\n".join(part for part in (group.name, lag, bias) if part)


def _steps(run: RunCurves, name: str | None) -> list[int]:
    """Return the steps at which a quantity was measured."""
    return sorted(step for (step, layer), lags in run.flow.items() if layer == _LAYER and lags.get(name or ""))


def _against_lag(group: Group, name: str, moment: Callable[[list[int]], int]) -> tuple[Array, Array]:
    """Return the lags, and a quantity of each run at one step of the run, [runs, lags]; NaN where it has no value."""
    rows = [run.flow[moment(steps), _LAYER][name] for run in group.runs if (steps := _steps(run, name))]
    values = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for row, measured in zip(values, rows, strict=True):
        row[: len(measured)] = measured
    return np.arange(values.shape[1], dtype=float), values


def _through_training(group: Group, name: str) -> tuple[Array, Array, Array]:
    """Return steps, lags, and the median over the runs that were measured at each step, [lags, steps]."""
    steps = distinct(step for run in group.runs for step in _steps(run, name))
    columns = []
    for step in steps:
        at = [run for run in group.runs if step in _steps(run, name)]
        _, values = _against_lag(replace(group, runs=at), name, partial(_at, step))
        columns.append(np.nanmedian(drawable(values), 0))
    medians = np.full((max(map(len, columns)), len(steps)), np.nan)
    for place, column in enumerate(columns):
        medians[: len(column), place] = column
    return np.array(steps, dtype=float), np.arange(len(medians), dtype=float), medians


def _at(step: int, steps: list[int]) -> int:
    return step


def _edges(centres: Array) -> Array:
    """Return the edges of cells with these centres."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middles = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middles[0]], middles, [2 * centres[-1] - middles[-1]]])
