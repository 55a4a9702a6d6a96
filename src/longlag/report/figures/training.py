"""A figure of a metric against the optimizer steps: median and range over the seeds of each setting."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from longlag.metric import Metric
from longlag.report.curves import RunCurves
from longlag.report.figures.groups import Group, left_out, shown
from longlag.report.figures.panels import Array, Panels
from longlag.report.records import settled

_FLOOR = -45.0  # log10; smaller values are 0 in float32
KEPT = "a solved or diverged run keeps its last value; the line of a setting with other runs ends where they end"


def training_curves(groups: Sequence[Group], subject: str, metric: Metric) -> Figure | None:
    """Return the figure of a metric against the optimizer steps; ``None`` if no run has it.

    The line is the median over the seeds and the band is their range, at each step at which a seed was measured. A run
    that is solved or has diverged keeps its last value: otherwise only the other runs would be left at the last steps.
    It does so to the end of the axis, or to where the other runs of its setting end, since further on the median would
    leave these out. The page draws the same lines.

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
    panels.draw(("",), shown(metric.label), log, same_x=True)
    curves = [[(run, curve) for run in group.runs if (curve := curve_of(run, metric.key))] for group in drawn]
    until = max(step for group in curves for _, curve in group for step in curve)
    for group, some in zip(drawn, curves, strict=True):
        steps, values = carried([curve for _, curve in some], [settled(run.record) for run, _ in some], until)
        panels.band(group, "", steps, values, to_log=log)
    kept = any(settled(run.record) for group in curves for run, _ in group)
    notes = [KEPT if kept else "", left_out(groups, lambda run: curve_of(run, metric.key), "without this curve")]
    panels.finish("optimizer steps", subject, notes, _FLOOR)
    return panels.figure


def curve_of(run: RunCurves, name: str) -> dict[int, float]:
    """Return a curve of a run: step -> value; values that are not finite are left out."""
    return {step: row[name] for step, row in sorted(run.metrics.items()) if math.isfinite(row.get(name, math.nan))}


def carried(curves: Sequence[dict[int, float]], kept: Sequence[bool], until: int) -> tuple[Array, Array]:
    """Return all steps of some curves, [steps], and their values there, [curves, steps].

    Between two of its steps a curve is a straight line, and before its first step it has no value.

    Args:
        curves: step -> value; none is empty.
        kept: whether a curve keeps its last value after its last step; the other curves end there.
        until: a further step, if all curves keep their last values.

    """
    steps = sorted({step for curve in curves for step in curve} | ({until} if all(kept) else set()))
    rows = [
        np.interp(steps, list(curve), list(curve.values()), left=np.nan, right=None if keeps else np.nan)
        for curve, keeps in zip(curves, kept, strict=True)
    ]
    return np.array(steps, dtype=float), np.array(rows)
