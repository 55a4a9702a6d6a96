"""By how much a state is stretched, as tables and as plain figures."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from longlag.flow.jacobian import Spectrum, StepJacobians

#: A layer: the name of its cell, its Jacobians and what they come to.
Layer = tuple[str, StepJacobians, Spectrum]

_STILL = 1e-12  # an exponent of this size is one of rounding


def print_layers(layers: Sequence[Layer], console: Console) -> None:
    """Print for each layer what its state is, the singular values by k, and the first, second, fourth, … exponent."""

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    for number, (name, jacobians, spectrum) in enumerate(layers, start=1):
        B, n = spectrum.exponents.shape
        parts = ", ".join(f"{size} of {part}" for part, size in jacobians.state.items())
        say(f"\nlayer {number}, {name}: a state s of {n} numbers ({parts}), {B} sequences")
        for note in _notes(jacobians):
            say(note)
        say("\nlog10 of the singular values of ∂s(1+k)/∂s(1), medians over the sequences")
        console.print(_singular_values(spectrum, console))
        say("\nLyapunov exponents λ per step, natural logarithms")
        console.print(_exponents(spectrum, console))


def plain(layer: Layer) -> dict[str, Any]:
    """Return all there is of a layer as JSON can have it: ``None`` for what is not finite, a logarithm of 0 too."""
    name, jacobians, spectrum = layer
    mean, spread = _moments(spectrum)
    lasting = [_time_scale(value) for value in mean]
    found: dict[str, Any] = _finite(
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
    return found


def _notes(jacobians: StepJacobians) -> list[str]:
    """Return what a reader should know of a state."""
    notes = []
    if jacobians.left_out:
        notes.append(f"no gradient flows from {', '.join(jacobians.left_out)} into the next step: not part of s")
    if jacobians.truncated:
        notes.append("the cell cuts its gradient on purpose: these are Jacobians of the gradient as it is published")
    return notes


def _singular_values(spectrum: Spectrum, console: Console) -> Table:
    table = _table(["k", "largest", "median", "smallest", "above\n1/2", "zero", "sequences"], console)
    for k in spectrum.ks:
        row = _figures(spectrum, k)
        logs = [_shown(row[name], ".3f") for name in ("largest", "median", "smallest")]
        table.add_row(str(k), *logs, *(f"{row[name]:g}" for name in ("above_half", "zero", "sequences")))
    return table


def _exponents(spectrum: Spectrum, console: Console) -> Table:
    table = _table(["number", "λ\nmean", "spread\n(sd)", "time scale\n-1/λ (steps)", "half-life\n(steps)"], console)
    mean, spread = _moments(spectrum)
    n = len(mean)
    for number in sorted({2**power for power in range(n.bit_length())} | {n}):
        value = mean[number - 1]
        lasting = _time_scale(value)
        rest = (_shown(lasting, ".3g"), _shown(lasting * math.log(2), ".3g"))
        table.add_row(str(number), _shown(value, ".4f"), _shown(spread[number - 1], ".4f"), *rest)
    return table


def _table(headings: Sequence[str], console: Console) -> Table:
    """Return an empty table: ruled in a terminal, plain columns elsewhere."""
    ruled = console.is_terminal
    table = Table(box=box.SIMPLE_HEAD if ruled else None, show_edge=False, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading if ruled else " ".join(heading.split()), justify="right", vertical="bottom")
    return table


def _figures(spectrum: Spectrum, k: int) -> dict[str, float]:
    """Return the medians over the sequences of what there is over k steps; logarithms may be −inf."""
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
    """Return means and standard deviations of the exponents over the sequences; no deviation where one is −inf: nan."""
    known = np.isfinite(spectrum.exponents).all(axis=0)
    spread = np.where(known, np.where(known, spectrum.exponents, 0).std(axis=0), np.nan)
    return spectrum.exponents.mean(axis=0).tolist(), spread.tolist()


def _time_scale(exponent: float) -> float:
    """Return −1/λ, the steps in which a direction shrinks to 1/e; ``inf`` where it does not shrink."""
    return math.inf if exponent > -_STILL else -1 / exponent


def _shown(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _finite(value: Any) -> Any:
    """Return it with ``None`` for numbers that JSON has not."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
