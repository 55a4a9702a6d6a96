"""The identity and the outcome of a run, read from its record."""

import json
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

from longlag.runs import RunRecord
from longlag.runs.claim import holder_of
from longlag.runs.schema import flattened

#: The settings that identify a run in every study, without the seed.
FACTS = ("cell", "task", "T", "forget_bias")
#: Settings that the table shows anyway, and the seeds, which do not make another setting.
_SHOWN = {"cell._target_", "cell.forget_bias", "task._target_", "task.T", "seed", "task.splits.seed"}


def fact(run: RunRecord, name: str) -> Any:
    """Return an entry of ``run`` in the settings: ``cell``, ``task``, ``T``, ``forget_bias`` or ``seed``."""
    value = run.config.get("run", {}).get(name)
    return value if isinstance(value, int | float | str | None) else str(value)


def number(value: Any) -> float | None:
    """Return a value as a float; ``None`` if the value is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer that no run writes
        return None


def figure(run: RunRecord, name: str) -> float | None:
    """Return a number of the summary; ``None`` if the summary has none under this name."""
    return number(run.summary.get(name))


def counts(run: RunRecord) -> bool:
    """Return whether a run counts in the solve rates: it has ended, and its summary says how."""
    return run.status.finished and bool(run.summary)


def settled(run: RunRecord) -> bool:
    """Return whether no further step changes how a run ends: it is solved, or it has diverged."""
    return run.status.state in ("solved", "diverged")


def settings_of(runs: Sequence[RunRecord]) -> list[tuple[Hashable, ...]]:
    """Return the setting of each run; runs that differ in the seed alone have equal settings.

    A setting holds cell, task, T and forget bias, and every other value in which the runs differ.
    """
    keys = varied_keys(runs)
    settings: list[tuple[Hashable, ...]] = []
    for run in runs:
        flat = flattened(run.config)
        settings.append((*(fact(run, name) for name in FACTS), *(_hashable(flat.get(key)) for key in keys)))
    return settings


def varied_keys(runs: Sequence[RunRecord]) -> list[str]:
    """Return the dotted names of the settings in which the runs differ, beside cell, task, T, forget bias and seed.

    A setting that has one value for each task follows from the name of the task, so it is left out. The same holds for
    a setting that only some cells have, such as the number of heads, if it has one value for each of these cells.
    """
    flat = [flattened(run.config) for run in runs]
    names = {part: [str(fact(run, part)) for run in runs] for part in ("cell", "task")}
    keys = dict.fromkeys(key for settings in flat for key in settings)

    def varies(key: str) -> bool:
        part = key.split(".")[0]
        owners = names.get(part, [""] * len(runs))
        values = {  # a run without a setting differs in this setting, unless its cell or task does not know the setting
            (owner, json.dumps(settings.get(key), default=str))
            for owner, settings in zip(owners, flat, strict=True)
            if part not in names or key in settings
        }
        with_setting = {owner for owner, _ in values}
        shared = part == "cell" and with_setting == set(owners)  # all cells have the setting: they can be compared
        return len({value for _, value in values}) > 1 and (shared or len(values) > len(with_setting))

    return [key for key in keys if key not in _SHOWN and not key.startswith(("run.", "logger.")) and varies(key)]


def state_of(run: RunRecord) -> str:
    """Return the state of a run; ``gone`` if its status says running and no process holds the claim on its folder."""
    gone = run.status.state == "running" and holder_of(run.folder.path) is None
    return "gone" if gone else run.status.state


def mixed_engines(runs: Sequence[RunRecord]) -> str | None:
    """Return a sentence about the engines, if runs of the same cell, or the steps of one run, were trained by several.

    The numbers of two engines agree to rounding, and a close case may be solved by one of them alone.
    """
    by_cell: dict[Any, Counter[str]] = {}
    for run in runs:
        segments = run.status.segments
        if segments:
            names = dict.fromkeys(segment.engine_and_level for segment in segments)
            by_cell.setdefault(fact(run, "cell"), Counter())[" then ".join(names)] += 1
    mixed = [
        f"{cell} by {', '.join(f'{engine} ({count})' for engine, count in engines.most_common())}"
        for cell, engines in by_cell.items()
        if len(engines) > 1 or " then " in next(iter(engines))
    ]
    return f"Several engines trained runs of one cell, so last digits differ: {'; '.join(mixed)}." if mixed else None


def flat_row(run: RunRecord) -> dict[str, Any]:
    """Return identity, outcome, metrics and settings of a run in one flat mapping."""
    identity = {name: fact(run, name) for name in ("cell", "task", "T", "forget_bias", "seed")}
    outcome = {"state": run.status.state, "reason": run.status.reason, "folder": str(run.folder.path)}
    figures = {key: value for key, value in run.summary.items() if key not in identity and key not in outcome}
    settings = {f"config.{key}": value for key, value in flattened(run.config).items() if not key.startswith("run.")}
    return {**identity, **outcome, **figures, **settings}


def _hashable(value: Any) -> Hashable:
    return value if isinstance(value, int | float | str | None) else str(value)
