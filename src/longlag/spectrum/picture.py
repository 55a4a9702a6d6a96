"""A picture of how much a cell stretches its state."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from longlag.spectrum.jacobian import Spectrum

_ALL, _LARGEST, _MIDDLE, _SMALLEST = "#b8bcc4", "#d55e00", "#0072b2", "#009e73"  # distinct for colour-blind readers too


def save_spectra(spectra: Sequence[tuple[str, Spectrum]], title: str, path: Path) -> None:
    """Draw the singular values against k, and the sorted Lyapunov exponents, one row for each layer; save a PNG.

    Args:
        spectra: the name and the spectrum of each layer.
        title: the title of the picture.
        path: the file.

    """
    figure = Figure(figsize=(9, 3.6 * len(spectra) + 0.4), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    for row, (name, spectrum) in zip(figure.subplots(len(spectra), 2, squeeze=False), spectra, strict=True):
        _draw_singular_values(row[0], spectrum)
        _draw_exponents(row[1], spectrum)
        row[0].set_title(name, fontsize=9, loc="left")
        for axis in row:
            axis.spines[["top", "right"]].set_visible(False)
            axis.tick_params(labelsize=8)
            axis.grid(linewidth=0.3, color="#d8dbe0")
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.print_png(path)  # type: ignore[no-untyped-call]


def _draw_singular_values(axis: Axes, spectrum: Spectrum) -> None:
    """Draw the medians over the sequences, one line for each; a singular value of 0 has no point."""
    medians = np.stack([np.median(spectrum.at(k), axis=0) for k in spectrum.ks])  # [K, n]
    shown = np.where(np.isfinite(medians), medians, np.nan)
    n = shown.shape[1]
    axis.plot(spectrum.ks, shown, color=_ALL, linewidth=0.6)
    middle = np.median(medians, axis=1)
    for label, values, colour, marker in (
        ("largest", medians[:, 0], _LARGEST, "o"),
        ("median", middle, _MIDDLE, "^"),
        ("smallest", medians[:, n - 1], _SMALLEST, "s"),
    ):
        there = np.isfinite(values)
        if there.any():
            axis.plot(np.array(spectrum.ks)[there], values[there], color=colour, marker=marker, markersize=4,
                      linewidth=1.4, label=label)  # fmt: skip
    axis.plot([], [], color=_ALL, linewidth=0.6, label=f"all {n}, medians over the sequences")
    axis.axhline(0, linewidth=0.8, color="black", linestyle=":")
    axis.set_xscale("log", base=2)
    axis.set_xticks(list(spectrum.ks), [str(k) for k in spectrum.ks])
    axis.minorticks_off()
    axis.set_xlabel("k (steps)", fontsize=9)
    axis.set_ylabel("log₁₀ of the singular values of ∂s₁₊ₖ/∂s₁", fontsize=9)
    lost = int(np.isinf(medians[-1]).sum())
    if lost:
        axis.set_title(f"zero after {spectrum.ks[-1]} steps: {lost} of {n}", fontsize=8, loc="right")
    axis.legend(fontsize=8, frameon=False, loc="lower left")


def _draw_exponents(axis: Axes, spectrum: Spectrum) -> None:
    """Draw the mean over the sequences and their range."""
    n = spectrum.exponents.shape[1]
    kept = np.flatnonzero(np.isfinite(spectrum.exponents).all(axis=0))
    rank = kept + 1
    values = spectrum.exponents[:, kept]
    if len(kept):
        axis.fill_between(rank, values.min(axis=0), values.max(axis=0), color=_MIDDLE, alpha=0.25, linewidth=0,
                          label="range over the sequences")  # fmt: skip
        axis.plot(rank, values.mean(axis=0), color=_MIDDLE, marker="o", markersize=3, linewidth=1, label="mean")
        axis.legend(fontsize=8, frameon=False, loc="lower left")
    if len(kept) < n:
        axis.set_title(f"−∞: {n - len(kept)} of {n}", fontsize=8, loc="right")
    axis.axhline(0, linewidth=0.8, color="black", linestyle=":")
    axis.set_xlim(0.5, n + 0.5)
    axis.set_xlabel("number of the exponent, the largest first", fontsize=9)
    axis.set_ylabel("Lyapunov exponent (1/step)", fontsize=9)
