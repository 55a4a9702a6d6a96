"""Does the error flow before training foretell the horizon? The rank correlation over settings, with an interval."""

from collections.abc import Mapping, Sequence
from typing import Any

from longlag.report.statistics.association import LEAST_GROUPS, Bootstrap, Estimate, rank_correlation

#: What may foretell it: key of an entry -> its title.
FLOWS = {
    "gradient_half_life_init": "half-life of the gradient before training",
    "direct_half_life_init": "half-life along the direct path before training",
}


def foretelling(entries: Sequence[Mapping[str, Any]], flow: str) -> tuple[Estimate, int] | None:
    """Return the rank correlation of the horizons with a figure of the error flow, and the number of searches.

    Ranks are taken within each task, and whole settings are drawn for the interval of 95 %. A horizon below the grid
    ranks lowest, as 0; one that reaches the end of the grid counts as that lag. A gradient that does not fall has an
    infinite half-life, ``inf``, which ranks highest.

    Args:
        entries: as :mod:`longlag.horizon.study_file` holds them, of one budget.
        flow: a key in ``FLOWS``; searches without the figure are left out.

    Returns:
        ``None`` with fewer than five settings.

    """
    counted = [entry for entry in entries if entry.get(flow) is not None]
    settings = [entry["setting"] for entry in counted]
    if len(set(settings)) < LEAST_GROUPS:
        return None
    scores, horizons = [float(entry[flow]) for entry in counted], [entry["horizon"] or 0 for entry in counted]
    tasks = [entry["task"] for entry in counted]
    return rank_correlation(scores, horizons, Bootstrap([settings]), tasks), len(counted)


def sentence(entries: Sequence[Mapping[str, Any]], flow: str) -> str | None:
    """Return the result in a line; ``None`` with fewer than five settings."""
    found = foretelling(entries, flow)
    if found is None or found[0].value is None:
        return None
    estimate, count = found
    interval = "" if estimate.low is None else f", {estimate.low:.2f} to {estimate.high:.2f} (95 %)"
    return f"horizon and {FLOWS[flow]}: rank correlation {estimate.value:.2f}{interval}, {count} searches"
