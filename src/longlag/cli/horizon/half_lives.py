"""The half-lives of the gradient before training, beside which a horizon is shown."""

import math
from collections.abc import Sequence
from statistics import median

from longlag.flow.decay import decay, half_life
from longlag.flow.early_gradient import PROBE_SIZE
from longlag.flow.error_flow import error_flow
from longlag.jobs.job import Job
from longlag.settings.plan import build_parts

#: The names of the figures, as in the entries of ``horizon.json``.
NAMES = {"gradient_half_life_init": ("dc", "dh"), "direct_half_life_init": ("dc_direct",)}


def half_lives(jobs: Sequence[Job]) -> dict[str, float | str | None]:
    """Return the median half-life of the gradient, whole and along the direct path, in the first layer at the start.

    Args:
        jobs: of one setting and lag, with different seeds; the weights are those with which they start.

    Returns:
        Steps by the names in ``NAMES``; ``inf``, as JSON has no such number, where the gradient does not fall; ``None``
        where the gradient is 0, or there is no direct path.

    """
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for job in jobs:
        parts = build_parts(job.plan(), trainer=False)
        task = parts.plan.task
        (first, *_) = error_flow(parts.model, task.draw("probe", 0, PROBE_SIZE), task.loss).layers
        for name, quantities in NAMES.items():
            norms = next((first[quantity] for quantity in quantities if quantity in first), None)
            rate = None if norms is None else decay(norms)
            found[name] += [] if rate is None else [half_life(rate)]
    medians = {name: median(values) if values else None for name, values in found.items()}
    return {name: "inf" if value == math.inf else value for name, value in medians.items()}
