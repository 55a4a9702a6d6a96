"""Figures of the error flow: the gradient against the lag, at initialisation, at the end and through training."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from longlag.report.curves import RunCurves
from longlag.report.figures.groups import Group, distinct, joined, left_out, names_of, shown
from longlag.report.figures.panels import OF_ZERO, Array, Panels, drawable
from longlag.report.figures.places import Places
from longlag.report.figures.style import MAP, PALE, WIDTH, broken, new_figure, page_width, remark

LAG = "lag (steps back from the last target)"
_LAYER = 1  # reads the inputs
_SIDE_BY_SIDE = 5  # maps of one lag
_MOST_MAPS = 60
_MAP_HEIGHT = 1.1  # inches, with its title
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
    notes = [_layer(drawn), left_out(groups, lambda run: _steps(run, name), "without this error flow")]
    panels.finish(LAG, subject, notes, _FLOOR)
    return panels.figure


def flow_maps(groups: Sequence[Group], subject: str, name: str, title: str) -> Figure | None:
    """Return maps of a quantity over lag × training step, one for each setting; ``None`` if no run has it.

    Settings are rows and lags are columns; of one lag, the settings follow each other. All maps share their colours.
    The median is over the seeds that were still in training. Of very many maps, some are drawn, and the small print
    says how many are left out.

    Args:
        groups: the settings.
        subject: cell and task, where all settings have the same.
        name: the name of the quantity, such as ``dh``.
        title: the title of the colour scale.

    """
    mapped = [group for group in groups if any(len(_steps(run, name)) > 1 for run in group.runs)]
    chosen, names, omitted = _chosen(mapped)
    maps = [_through_training(group, name) for group in chosen]
    finite = np.concatenate([values[values > OF_ZERO] for *_, values in maps]) if maps else np.array([])
    if not len(finite):
        return None
    top = math.ceil(finite.max())
    bottom = max(top - _DECADES, math.floor(finite.min()))
    figure, axes = _map_axes(chosen, names)
    until = max(steps[-1] for steps, *_ in maps)
    for axis, (steps, lags, values) in zip(axes, maps, strict=True):
        shades = axis.pcolormesh(
            _edges(steps), _edges(lags), np.maximum(values, bottom), vmin=bottom, vmax=top, cmap=MAP, rasterized=True
        )
        axis.set_xlim(0, until)
        axis.set_facecolor(PALE)
    below = "min" if any((values < bottom).any() for *_, values in maps) else "neither"
    aspect = 20 if figure.get_figheight() < 3 else 40
    figure.colorbar(shades, ax=axes, extend=below, pad=0.01, aspect=aspect, label=f"log$_{{10}}$ {title}")
    figure.supxlabel("optimizer steps", fontsize=8)
    figure.supylabel("lag (steps back)", fontsize=8)
    lags_shown = list(dict.fromkeys(group.T for group in chosen))
    notes = [
        joined(subject, f"T = {shown(lags_shown[0])}" if len(lags_shown) == 1 else ""),
        "median over the seeds still in training" if any(len(group.runs) > 1 for group in chosen) else "",
        "grey: no seed is in training any more" if any(steps[-1] < until for steps, *_ in maps) else "",
        omitted,
        left_out(groups, lambda run: len(_steps(run, name)) > 1, "without this error flow at two steps or more"),
        _layer(chosen),
    ]
    remark(figure, "; ".join(filter(None, notes)))
    return figure


def _map_axes(groups: Sequence[Group], names: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Return a figure with an axis for each map, which has its titles."""
    if len({group.T for group in groups}) == 1:  # side by side
        across = min(len(groups), _SIDE_BY_SIDE)
        at = [divmod(k, across) for k in range(len(groups))]
        heads, beside = [broken(name, page_width() / across) for name in names], [""] * len(groups)
    else:
        places = Places.of((name, group.T) for name, group in zip(names, groups, strict=True))
        across = places.columns
        at = [(places.rows.index(name), places.at[name, group.T]) for name, group in zip(names, groups, strict=True)]
        top = {
            T: min(place[0] for place, group in zip(at, groups, strict=True) if group.T == T)
            for T in {group.T for group in groups}
        }
        heads = [
            f"T = {shown(group.T)}" if not places.aligned or place[0] == top[group.T] else ""
            for place, group in zip(at, groups, strict=True)
        ]
        first = {row: min(column for other, column in at if other == row) for row, _ in at}
        beside = [
            broken(name, _MAP_HEIGHT) if place[1] == first[place[0]] else ""
            for name, place in zip(names, at, strict=True)
        ]
    down = 1 + max(row for row, _ in at)
    lines = max(head.count("\n") for head in heads)
    figure = new_figure(
        0.8 + down * (_MAP_HEIGHT + 0.13 * lines), max(3.0, min(WIDTH, 1.2 + 1.2 * across), 1.6 + across)
    )
    same: Any = "all" if len({group.T for group in groups}) == 1 else "none"
    drawn = figure.subplots(down, across, squeeze=False, sharex=True, sharey=same)
    for axis in drawn.flat:
        axis.set_visible(False)
    axes = []
    for place, head, name, group in zip(at, heads, beside, groups, strict=True):
        axis = drawn[place]
        axis.set_visible(True)
        axis.set_title("\n".join(filter(None, (head, f"{len(group.times)}/{group.trials} solved"))))
        axis.set_ylabel(name)
        axis.tick_params(labelbottom=place[0] == max(row for row, column in at if column == place[1]))
        axes.append(axis)
    return figure, axes


def _chosen(groups: Sequence[Group]) -> tuple[list[Group], list[str], str]:
    """Return the settings whose maps are drawn, their names, and a clause about the others; empty if there are none."""
    names, lags = names_of(groups), distinct(group.T for group in groups)
    rows = _spread(list(dict.fromkeys(names)), max(1, _MOST_MAPS // max(1, len(lags))))
    columns = _spread(lags, _MOST_MAPS)
    kept = [k for k, group in enumerate(groups) if names[k] in rows and group.T in columns]
    several = len(groups) - len(kept)
    omitted = f"{len(kept)} of {len(groups)} maps, spread evenly: {several} are left out" if several else ""
    return [groups[k] for k in kept], [names[k] for k in kept], omitted


def _spread(values: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many of the values, evenly spread, both ends among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(k * (len(values) - 1) / max(1, most - 1))] for k in range(most)]


def _layer(groups: Sequence[Group]) -> str:
    """Return the name of the drawn layer, where there are several layers."""
    layers = {layer for group in groups for run in group.runs for _, layer in run.flow}
    return f"layer {_LAYER} of {max(layers)}" if max(layers) > _LAYER else ""


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
