"""What identifies a run and what became of it, read from its record."""

from collections.abc import Hashable, Sequence
from typing import Any

from longlag.report.table import flattened, varied_keys
from longlag.runs import RunRecord

#: What identifies a run, but for its seed, in every study.
FACTS = ("cell", "task", "T", "forget_bias")


def fact(run: RunRecord, name: str) -> Any:
    """Return what ``run`` in the settings says: ``cell``, ``task``, ``T``, ``forget_bias`` or ``seed``."""
    found = run.config.get("run", {}).get(name)
    return found if isinstance(found, int | float | str) else None if found is None else str(found)


def number(value: Any) -> float | None:
    """Return a value that is a number; ``None`` if it is something else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer that no run writes
        return None


def figure(run: RunRecord, name: str) -> float | None:
    """Return a figure of the summary; ``None`` if there is none, or something else in its place."""
    return number(run.summary.get(name))


def counts(run: RunRecord) -> bool:
    """Say whether a run has ended with an outcome: it then counts in the rates, as solved or not."""
    return run.status.finished and bool(run.summary)


def settings_of(runs: Sequence[RunRecord]) -> list[tuple[Hashable, ...]]:
    """Return the setting of each run: what it shares with the runs that differ from it in the seed alone.

    It holds cell, task, T and forget bias, and whatever else the runs differ in.
    """
    keys = varied_keys(runs)
    found = []
    for run in runs:
        flat = flattened(run.config)
        found.append((*(fact(run, name) for name in FACTS), *(_hashable(flat.get(key)) for key in keys)))
    return found


def _hashable(value: Any) -> Hashable:
    return value if isinstance(value, int | float | str | None) else str(value)
