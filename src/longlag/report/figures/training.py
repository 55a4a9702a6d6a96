"""A figure of the runs against the optimizer steps: the median over the seeds of each setting, and their range."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from longlag.report.curves import RunCurves
from longlag.report.figures.groups import Group
from longlag.report.figures.panels import Array, Panels

_FLOOR = -45.0  # log10; what is smaller is 0 in float32


def training_curves(groups: Sequence[Group], subject: str, name: str, title: str, log: bool) -> Figure | None:
    """Return the figure of a curve of ``metrics.csv``; ``None`` if no run has it.

    The line is the median over the seeds and the band their range, at each step at which one of them was measured. A
    run that has ended keeps its last value: without that, only the runs that are not solved would be left in the end.

    Args:
        groups: the settings.
        subject: what they have in common.
        name: of the curve.
        title: of the axis.
        log: whether the axis is logarithmic. It ends at 1e-45, where float32 does, and has no 0.

    """
    found = [group for group in groups if any(curve_of(run, name) for run in group.runs)]
    if not found:
        return None
    panels = Panels.of(found)
    panels.draw(("",), title, log)
    for group in found:
        steps, values = carried([curve for run in group.runs if (curve := curve_of(run, name))])
        panels.band(group, "", steps, _log10(values) if log else values)
    panels.finish("optimizer steps", subject, "a run that has ended keeps its last value", _FLOOR)
    return panels.figure


def curve_of(run: RunCurves, name: str) -> dict[int, float]:
    """Return a curve of a run: step -> value, without what is not finite."""
    return {step: row[name] for step, row in sorted(run.metrics.items()) if math.isfinite(row.get(name, math.nan))}


def carried(curves: Sequence[dict[int, float]]) -> tuple[Array, Array]:
    """Return all steps of some curves, [steps], and their values there, [curves, steps].

    Between two of its steps a curve has the value of the earlier one, and after its last step that of the last; before
    the first it has none.
    """
    steps = sorted({step for curve in curves for step in curve})
    values = np.full((len(curves), len(steps)), np.nan)
    for row, curve in zip(values, curves, strict=True):
        last = math.nan
        for place, step in enumerate(steps):
            last = curve.get(step, last)
            row[place] = last
    return np.array(steps, dtype=float), values


def _log10(values: Array) -> Array:
    return np.log10(values, out=np.full_like(values, -np.inf), where=~(values <= 0))
