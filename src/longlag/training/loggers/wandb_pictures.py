"""Two pictures of the error flow for W&B: a map over training steps and lags, and curves along the lag.

A grid draws thousands, and most of the time of a picture goes into axes, ticks and the layout of text. So each kind has
one figure for the whole process, and a picture changes the data in it.
"""

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure

from longlag.runs.error_flow_csv import QUANTITIES, Lags

_CURVES = 5


def draw_map(flows: Mapping[int, Lags], path: Path) -> str:
    """Draw the gradient of c, or of h in a cell without a cell state, over lag and training step; return a caption.

    Args:
        flows: optimizer step -> column of ``error_flow.csv`` -> a value for each lag; ascending, and not empty.
        path: the PNG file.

    """
    of = _carried(flows)
    label = f"log₁₀ {QUANTITIES[of]}"
    steps = np.array(list(flows), dtype=float)
    values = np.full((max(len(lags[of]) for lags in flows.values()), len(steps)), np.nan)  # [lags, steps]
    for column, lags in enumerate(flows.values()):
        values[: len(lags[of]), column] = lags[of]
    figure, axes, bar = _map()
    for earlier in list(axes.collections):
        earlier.remove()
    colours = colormaps["viridis"].with_extremes(bad="0.8")
    edges, lags_at = _edges(steps), np.arange(len(values) + 1) - 0.5
    mesh = axes.pcolormesh(edges, lags_at, np.ma.masked_invalid(values), cmap=colours)
    axes.set(xlim=(edges[0], edges[-1]), ylim=(lags_at[0], lags_at[-1]))
    bar.update_normal(mesh)
    bar.set_label(label)
    _save(figure, path)
    return f"{label}, mean over the probe batch; grey where it is exactly 0"


def draw_curves(flows: Mapping[int, Lags], path: Path) -> str:
    """Draw the same gradient along the lag, from the first measurement to the last; return a caption.

    Args:
        flows: optimizer step -> column of ``error_flow.csv`` -> a value for each lag; ascending, and not empty.
        path: the PNG file.

    """
    of = _carried(flows)
    label = f"log₁₀ {QUANTITIES[of]}"
    steps = list(flows)
    picked = [steps[k] for k in sorted({round(k) for k in np.linspace(0, len(steps) - 1, min(_CURVES, len(steps)))})]
    figure, axes = _curves()
    for earlier in [*axes.lines, *axes.collections]:
        earlier.remove()
    axes.set(xlim=(0, 1), ylim=(0, 1))  # where nothing is finite, autoscale leaves these
    for number, step in enumerate(picked):
        lags = flows[step]
        colour = colormaps["viridis"](0.9 * number / max(1, len(picked) - 1))
        x = np.arange(len(lags[of]))
        axes.plot(x, _finite(lags[of]), color=colour, label=f"step {step}")
        if step in (picked[0], picked[-1]):
            axes.fill_between(
                x, _finite(lags[f"{of}_10"]), _finite(lags[f"{of}_90"]), color=colour, alpha=0.2, linewidth=0
            )
    axes.set_ylabel(label)
    axes.legend(frameon=False)
    axes.relim()
    axes.autoscale()
    _save(figure, path)
    return f"{label}, mean over the probe batch, with the 10 % to 90 % band of the first and the last measurement"


def _carried(flows: Mapping[int, Lags]) -> str:
    """Return the gradient whose half-life ``gradient_half_life`` is."""
    return "dc" if "dc" in next(iter(flows.values())) else "dh"


@functools.cache
def _map() -> tuple[Figure, Axes, Colorbar]:
    figure, axes = _figure(right=0.89)
    axes.set(xlabel="training step (optimizer steps)", ylabel="lag (steps back)")
    empty = axes.pcolormesh(np.zeros((1, 1)))
    return figure, axes, figure.colorbar(empty, ax=axes, fraction=0.05, pad=0.02)


@functools.cache
def _curves() -> tuple[Figure, Axes]:
    figure, axes = _figure(right=0.98)
    axes.set_xlabel("lag (steps back)")
    return figure, axes


def _figure(right: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 3.8), dpi=100)
    axes: Axes = figure.subplots()
    figure.subplots_adjust(left=0.12, right=right, bottom=0.13, top=0.97)  # a computed layout takes as long as the rest
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, pil_kwargs={"compress_level": 1})  # smaller files take longer than the rest of the picture


def _edges(centres: np.ndarray) -> np.ndarray:
    """Return the borders halfway between the centres of cells, [n + 1]."""
    gaps = np.diff(centres) / 2 if len(centres) > 1 else np.array([0.5])
    inner = centres[:-1] + gaps[: len(centres) - 1]
    return np.concatenate([[centres[0] - gaps[0]], inner, [centres[-1] + gaps[-1]]])


def _finite(values: list[float]) -> np.ndarray:
    """Return values for a line, which has a gap where one is not finite."""
    figures = np.array(values, dtype=float)
    return np.where(np.isfinite(figures), figures, np.nan)
