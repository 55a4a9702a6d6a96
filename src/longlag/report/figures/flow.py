"""The error flow: how the gradient runs back along time, at initialisation and at the end, and through training."""

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
_LAYER = 1  # the one that reads the inputs
_SIDE_BY_SIDE = 5  # maps in a figure
_MOMENTS: dict[str, Callable[[list[int]], int]] = {"at initialisation": min, "at the end": max}
_FLOOR = -45.0  # log10; what is smaller is 0 in float32
_DECADES = 12  # on the colour scale: beyond, a gradient is nothing to an optimizer


def flow_curves(
    groups: Sequence[Group], subject: str, name: str, title: str, direct: str | None = None
) -> Figure | None:
    """Return the figure of a quantity of ``error_flow.csv`` against the lag; ``None`` if no run has it.

    The first row is at initialisation, the second at each run's last measurement. The line is the median over the
    seeds, the band their range.

    Args:
        groups: the settings.
        subject: what they have in common.
        name: of the quantity, such as ``dh``.
        title: of the axis, which is logarithmic and ends at 1e-45, where float32 does.
        direct: the same along the direct path, drawn thin beside it.

    """
    found = [group for group in groups if any(_steps(run, name) for run in group.runs)]
    if not found:
        return None
    panels = Panels.of(found)
    panels.draw(list(_MOMENTS), title, log=True)
    for group in found:
        for moment, pick in _MOMENTS.items():
            panels.band(group, moment, *_against_lag(group, name, pick))
            if direct and any(_steps(run, direct) for run in group.runs):
                panels.band(group, moment, *_against_lag(group, direct, pick), thin=True)
    panels.finish(LAG, subject, _layer(found), _FLOOR)
    return panels.figure


def flow_maps(groups: Sequence[Group], subject: str, name: str, title: str) -> Figure | None:
    """Return maps of a quantity over lag × training step, for some settings; ``None`` if no run has it.

    Where the forget bias varies, they are of one T: that whose rates of success differ most, as there is most to see.
    The colours are the same in all, and the median is over the seeds that were still in training.

    Args:
        groups: the settings.
        subject: what they have in common.
        name: of the quantity, such as ``dh``.
        title: of the scale.

    """
    found = _chosen([group for group in groups if any(len(_steps(run, name)) > 1 for run in group.runs)])
    if not found:
        return None
    maps = [_through_training(group, name) for group in found]
    finite = np.concatenate([values[values > OF_ZERO] for *_, values in maps])
    if not len(finite):
        return None
    top = math.ceil(finite.max())
    bottom = max(top - _DECADES, math.floor(finite.min()))
    figure = new_figure(2.3, max(WIDTH * len(found) / _SIDE_BY_SIDE, 3.0))
    axes = figure.subplots(1, len(found), squeeze=False, sharey=True)[0]
    for axis, group, (steps, lags, values) in zip(axes, found, maps, strict=True):
        shades = axis.pcolormesh(
            _edges(steps), _edges(lags), np.maximum(values, bottom), vmin=bottom, vmax=top, cmap=MAP, rasterized=True
        )
        axis.set_title(f"{_told(group, found)}\n{len(group.times)}/{group.trials} solved")
        axis.set_xlim(0, max(steps[-1] for steps, *_ in maps))
        axis.set_facecolor(PALE)
    below = "min" if finite.min() < bottom else "neither"
    figure.colorbar(shades, ax=list(axes), extend=below, pad=0.01, label=f"log$_{{10}}$ {title}")
    figure.supxlabel("optimizer steps", fontsize=8)
    axes[0].set_ylabel("lag (steps back)")
    lags_shown = {group.T for group in found}
    of = ", ".join([*filter(None, [subject]), *(f"T = {shown(T)}" for T in lags_shown if len(lags_shown) == 1)])
    note = "median over the seeds still in training; grey: none is"
    remark(figure, "; ".join(part for part in (of, note, _layer(found)) if part))
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
    """Return which layer is shown, where there are several."""
    layers = {layer for group in groups for run in group.runs for _, layer in run.flow}
    return f"layer {_LAYER} of {max(layers)}" if max(layers) > _LAYER else ""


def _told(group: Group, among: Sequence[Group]) -> str:
    """Return what tells a setting apart, and its T."""
    bias = f"b = {shown(group.bias)}" if len({other.bias for other in among}) > 1 else ""
    lag = f"T = {shown(group.T)}" if len({other.T for other in among}) > 1 else ""
    return "\n".join(part for part in (group.name, lag, bias) if part)


def _steps(run: RunCurves, name: str | None) -> list[int]:
    """Return the steps at which a quantity was measured."""
    return sorted(step for (step, layer), lags in run.flow.items() if layer == _LAYER and lags.get(name or ""))


def _against_lag(group: Group, name: str, moment: Callable[[list[int]], int]) -> tuple[Array, Array]:
    """Return the lags, and the values of a quantity at one moment of each run, [runs, lags]; NaN where it has none."""
    rows = [run.flow[moment(steps), _LAYER][name] for run in group.runs if (steps := _steps(run, name))]
    values = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for row, found in zip(values, rows, strict=True):
        row[: len(found)] = found
    return np.arange(values.shape[1], dtype=float), values


def _through_training(group: Group, name: str) -> tuple[Array, Array, Array]:
    """Return steps, lags, and the median over the runs that were measured there, [lags, steps]."""
    steps = distinct(step for run in group.runs for step in _steps(run, name))
    columns = []
    for step in steps:
        at = [run for run in group.runs if step in _steps(run, name)]
        _, values = _against_lag(replace(group, runs=at), name, partial(_at, step))
        columns.append(np.nanmedian(drawable(values), 0))
    found = np.full((max(map(len, columns)), len(steps)), np.nan)
    for place, column in enumerate(columns):
        found[: len(column), place] = column
    return np.array(steps, dtype=float), np.arange(len(found), dtype=float), found


def _at(step: int, steps: list[int]) -> int:
    return step


def _edges(centres: Array) -> Array:
    """Return the edges of cells about these centres."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middles = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middles[0]], middles, [2 * centres[-1] - middles[-1]]])
