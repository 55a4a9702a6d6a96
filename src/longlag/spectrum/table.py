"""Tables and plain figures of how much a cell stretches its state."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from longlag.spectrum.jacobian import Spectrum, StepJacobians
from longlag.terminal import plain_table, print_line

#: A layer: the name of its cell, its Jacobians and their spectrum.
Layer = tuple[str, StepJacobians, Spectrum]

_STILL = 1e-12  # an exponent of this size is a rounding error


def print_layers(layers: Sequence[Layer], console: Console) -> None:
    """Print for each layer its state, the singular values by k, and the first, second, fourth, … exponent."""
    for number, (name, jacobians, spectrum) in enumerate(layers, start=1):
        B, n = spectrum.exponents.shape
        parts = ", ".join(f"{size} of {part}" for part, size in jacobians.state.items())
        print_line(console, f"\nlayer {number}, {name}: a state s of {n} numbers ({parts}), {B} sequences")
        for note in _notes(jacobians):
            print_line(console, note)
        print_line(console, "\nlog10 of the singular values of ∂s(1+k)/∂s(1), medians over the sequences")
        console.print(_singular_values(spectrum, console))
        print_line(console, "\nLyapunov exponents λ per step, natural logarithms")
        console.print(_exponents(spectrum, console))


def plain(layer: Layer) -> dict[str, Any]:
    """Return all figures of a layer for JSON, with ``None`` for numbers that are not finite."""
    name, jacobians, spectrum = layer
    mean, spread = _moments(spectrum)
    lasting = [_time_scale(value) for value in mean]
    figures: dict[str, Any] = _finite(
        {
            "cell": name,
            "state": jacobians.state,
            "left_out": list(jacobians.left_out),
            "truncated": jacobians.truncated,
            "steps": spectrum.steps.tolist(),
            "singular_values": [
                {**_figures(spectrum, k), "log10_by_sequence": spectrum.at(k).tolist()} for k in spectrum.ks
            ],
            "lyapunov": {
                "mean": mean,
                "spread": spread,
                "time_scale": lasting,
                "half_life": [steps * math.log(2) for steps in lasting],
                "by_sequence": spectrum.exponents.tolist(),
            },
        }
    )
    return figures


def _notes(jacobians: StepJacobians) -> list[str]:
    """Return remarks on the state of a layer."""
    notes = []
    if jacobians.left_out:
        notes.append(f"no gradient flows from {', '.join(jacobians.left_out)} into the next step: not part of s")
    if jacobians.truncated:
        notes.append("the cell cuts its gradient on purpose: these are Jacobians of the gradient as it is published")
    return notes


def _singular_values(spectrum: Spectrum, console: Console) -> Table:
    table = plain_table(["k", "largest", "median", "smallest", "above\n1/2", "zero", "sequences"], console)
    for k in spectrum.ks:
        row = _figures(spectrum, k)
        logs = [_shown(row[name], ".3f") for name in ("largest", "median", "smallest")]
        table.add_row(str(k), *logs, *(f"{row[name]:g}" for name in ("above_half", "zero", "sequences")))
    return table


def _exponents(spectrum: Spectrum, console: Console) -> Table:
    table = plain_table(
        ["number", "λ\nmean", "spread\n(sd)", "time scale\n-1/λ (steps)", "half-life\n(steps)"], console
    )
    mean, spread = _moments(spectrum)
    n = len(mean)
    for number in sorted({2**power for power in range(n.bit_length())} | {n}):
        value = mean[number - 1]
        lasting = _time_scale(value)
        rest = (_shown(lasting, ".3g"), _shown(lasting * math.log(2), ".3g"))
        table.add_row(str(number), _shown(value, ".4f"), _shown(spread[number - 1], ".4f"), *rest)
    return table


def _figures(spectrum: Spectrum, k: int) -> dict[str, float]:
    """Return the medians over the sequences of the figures over k steps; logarithms may be −inf."""
    logs = spectrum.at(k)
    figures = {
        "largest": logs[:, 0],
        "median": np.median(logs, axis=1),
        "smallest": logs[:, -1],
        "above_half": (logs > math.log10(0.5)).sum(axis=1),
        "zero": np.isinf(logs).sum(axis=1),
    }
    return {"k": k, "sequences": len(logs)} | {name: float(np.median(values)) for name, values in figures.items()}


def _moments(spectrum: Spectrum) -> tuple[list[float], list[float]]:
    """Return means and standard deviations of the exponents over the sequences; nan for a deviation with a −inf."""
    known = np.isfinite(spectrum.exponents).all(axis=0)
    spread = np.where(known, np.where(known, spectrum.exponents, 0).std(axis=0), np.nan)
    return spectrum.exponents.mean(axis=0).tolist(), spread.tolist()


def _time_scale(exponent: float) -> float:
    """Return −1/λ, the steps in which a direction shrinks to 1/e; ``inf`` where it does not shrink."""
    return math.inf if exponent > -_STILL else -1 / exponent


def _shown(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _finite(value: Any) -> Any:
    """Return a value with ``None`` for numbers that JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
