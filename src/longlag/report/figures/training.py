"""A figure of a metric against the optimizer steps: median and range over the seeds of each setting."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from longlag.metric import Metric
from longlag.report.curves import RunCurves
from longlag.report.figures.groups import Group, shown
from longlag.report.figures.panels import Array, Panels

_FLOOR = -45.0  # log10; smaller values are 0 in float32


def training_curves(groups: Sequence[Group], subject: str, metric: Metric) -> Figure | None:
    """Return the figure of a metric against the optimizer steps; ``None`` if no run has it.

    The line is the median over the seeds and the band is their range, at each step at which a seed was measured. A run
    that has ended keeps its last value: otherwise only the unsolved runs would be left at the last steps.

    Args:
        groups: the settings.
        subject: cell and task, where all settings have the same.
        metric: the metric. A logarithmic axis ends at 1e-45, where float32 ends, and has no 0.

    """
    drawn = [group for group in groups if any(curve_of(run, metric.key) for run in group.runs)]
    if not drawn:
        return None
    log = metric.scale == "log"
    panels = Panels.of(drawn)
    panels.draw(("",), shown(metric.label), log)
    for group in drawn:
        steps, values = carried([curve for run in group.runs if (curve := curve_of(run, metric.key))])
        panels.band(group, "", steps, _log10(values) if log else values)
    panels.finish("optimizer steps", subject, "a run that has ended keeps its last value", _FLOOR)
    return panels.figure


def curve_of(run: RunCurves, name: str) -> dict[int, float]:
    """Return a curve of a run: step -> value; values that are not finite are left out."""
    return {step: row[name] for step, row in sorted(run.metrics.items()) if math.isfinite(row.get(name, math.nan))}


def carried(curves: Sequence[dict[int, float]]) -> tuple[Array, Array]:
    """Return all steps of some curves, [steps], and their values there, [curves, steps].

    Between two of its steps a curve has the value of the earlier step, after its last step the last value, and before
    its first step no value.
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
