"""Curves -> short strings: thinned by a rule, and packed as base64 of float32."""

import base64
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_SMALLEST = 1e-30
"""A curve with smaller values is packed as log10: float32 ends at 1e-45, gradients go down to 1e-300."""
_LARGEST = 3e38


def packed(values: Iterable[float]) -> str:
    """Return numbers as base64 of little-endian float32; NaN stands for a missing value."""
    numbers = [math.copysign(math.inf, x) if abs(x) > _LARGEST else x for x in values]
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def packed_metrics(metrics: Mapping[int, Mapping[str, float]], most: int) -> dict[str, Any]:
    """Return the curves of a run, thinned.

    Every 2nd, 4th, 8th, … measured step is kept, and the last one. So runs of one study keep the same steps, and the
    steps of the coarser run are among the steps of the finer one.

    Args:
        metrics: optimizer step -> metric -> value.
        most: about how many values are kept.

    Returns:
        ``steps``, packed; ``stride``; ``columns``, metric -> packed values. A value that starts with ``~`` holds log10.

    """
    names = dict.fromkeys(name for row in metrics.values() for name in row)
    names = {
        name: None for name in names if sum(name in row for row in metrics.values()) > 1
    }  # a single value, such as test/acc, is no curve
    steps = sorted(step for step, row in metrics.items() if any(name in row for name in names))
    stride = 1
    while len(steps) / stride * (len(names) + 1) > most and stride < len(steps):
        stride *= 2
    kept = thinned_by(steps, stride)
    columns = {name: _packed_figure([metrics[step].get(name, math.nan) for step in kept]) for name in names}
    return {"steps": packed(kept), "stride": stride, "columns": columns}


def thinned_by(steps: Sequence[int], stride: int) -> list[int]:
    """Return every ``stride``-th step from the first on, and the last one."""
    return [*steps[::stride], *(steps[-1:] if (len(steps) - 1) % stride else ())]


def evenly(values: Sequence[int], most: int) -> list[int]:
    """Return at most ``most`` (two or more) of the values, evenly spread, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(k * (len(values) - 1) / (most - 1))] for k in range(most)]


def _packed_figure(values: Sequence[float]) -> str:
    finite = [x for x in values if math.isfinite(x)]
    if not finite or min(finite) < 0 or not any(0 < x < _SMALLEST for x in finite):
        return packed(values)
    return "~" + packed(math.log10(x) if x > 0 and math.isfinite(x) else -math.inf if x == 0 else x for x in values)
