"""Two pictures of the error flow for W&B: a map over training steps and lags, and curves along the lag."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
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
    figure, axes = _figure(right=0.89)
    colours = colormaps["viridis"].with_extremes(bad="0.8")
    shown = np.ma.masked_invalid(values)
    mesh = axes.pcolormesh(_edges(steps), np.arange(len(values) + 1) - 0.5, shown, cmap=colours)
    figure.colorbar(mesh, ax=axes, label=label, fraction=0.05, pad=0.02)
    axes.set_xlabel("training step (optimizer steps)")
    axes.set_ylabel("lag (steps back)")
    figure.savefig(path)
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
    figure, axes = _figure()
    for number, step in enumerate(picked):
        lags = flows[step]
        colour = colormaps["viridis"](0.9 * number / max(1, len(picked) - 1))
        x = np.arange(len(lags[of]))
        axes.plot(x, _finite(lags[of]), color=colour, label=f"step {step}")
        if step in (picked[0], picked[-1]):
            axes.fill_between(
                x, _finite(lags[f"{of}_10"]), _finite(lags[f"{of}_90"]), color=colour, alpha=0.2, linewidth=0
            )
    axes.set_xlabel("lag (steps back)")
    axes.set_ylabel(label)
    axes.legend(frameon=False)
    figure.savefig(path)
    return f"{label}, mean over the probe batch, with the 10 % to 90 % band of the first and the last measurement"


def _carried(flows: Mapping[int, Lags]) -> str:
    """Return the gradient whose half-life ``gradient_half_life`` is."""
    return "dc" if "dc" in next(iter(flows.values())) else "dh"


def _figure(right: float = 0.98) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, 3.8), dpi=100)
    axes: Axes = figure.subplots()
    figure.subplots_adjust(left=0.12, right=right, bottom=0.13, top=0.97)  # a computed layout takes as long as the rest
    return figure, axes


def _edges(centres: np.ndarray) -> np.ndarray:
    """Return the borders halfway between the centres of cells, [n + 1]."""
    gaps = np.diff(centres) / 2 if len(centres) > 1 else np.array([0.5])
    inner = centres[:-1] + gaps[: len(centres) - 1]
    return np.concatenate([[centres[0] - gaps[0]], inner, [centres[-1] + gaps[-1]]])


def _finite(values: list[float]) -> np.ndarray:
    """Return values for a line, which has a gap where one is not finite."""
    figures = np.array(values, dtype=float)
    return np.where(np.isfinite(figures), figures, np.nan)
