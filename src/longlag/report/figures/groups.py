"""Runs that differ in the seed alone, put together for the figures."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from longlag.report.curves import RunCurves
from longlag.report.settings import FACTS, counts, fact, figure, settings_of
from longlag.report.statistics import censored_median
from longlag.report.table import varied_keys


@dataclass(frozen=True)
class Group:
    """The runs of one setting.

    Args:
        name: in what the runs of the study differ, but for T and forget bias; empty if in nothing.
        T: the lag; ``None`` where the task has none.
        bias: the forget bias: a number, the name of another start, or ``None``.
        runs: the runs.

    """

    name: str
    T: Any
    bias: Any
    runs: list[RunCurves] = field(default_factory=list)

    @property
    def trials(self) -> int:
        """How many runs have ended with an outcome."""
        return sum(counts(run.record) for run in self.runs)

    @property
    def times(self) -> list[float]:
        """The steps to solve, of the runs that were solved."""
        found = (figure(run.record, "solved_step") for run in self.runs if counts(run.record))
        return [step for step in found if step is not None]

    @property
    def median_time(self) -> float | None:
        """The median of the steps to solve, over all runs with an outcome."""
        return censored_median(self.times, self.trials)

    @property
    def longest(self) -> float:
        """The most steps that a run with an outcome took."""
        return max((figure(run.record, "steps") or 0 for run in self.runs if counts(run.record)), default=0)


def groups_of(runs: Sequence[RunCurves]) -> list[Group]:
    """Return the runs by their settings, in the order of name, T and forget bias."""
    records = [run.record for run in runs]
    keys = varied_keys(records)
    settings = settings_of(records)
    needed = [place for place in range(len(keys)) if _adds(place + len(FACTS), settings)]
    found: dict[Any, Group] = {}
    for run, setting in zip(runs, settings, strict=True):
        *cell_task, T, bias = setting[: len(FACTS)]
        parts = [_plain(part) for part, several in zip(cell_task, _several(settings), strict=False) if several]
        parts += [f"{keys[place].split('.')[-1]} {shown(setting[len(FACTS) + place])}" for place in needed]
        found.setdefault(setting, Group(", ".join(parts), T, bias)).runs.append(run)
    return sorted(found.values(), key=lambda group: (group.name, rank(group.T), rank(group.bias)))


def subject_of(runs: Sequence[RunCurves]) -> str:
    """Return cell and task, where all runs have the same."""
    several = _several(settings_of([run.record for run in runs]))
    return ", ".join(
        _plain(fact(runs[0].record, name)) for name, some in zip(FACTS[:2], several, strict=False) if not some
    )


def distinct(values: Iterable[Any]) -> list[Any]:
    """Return the values without repetitions, in order: numbers, then names, then what is ``None``."""
    return sorted(dict.fromkeys(values), key=rank)


def rank(value: Any) -> tuple[int, float, str]:
    """Return what a value is sorted by."""
    if isinstance(value, int | float) and not math.isnan(value):
        return 0, value, ""
    return (2, 0.0, "") if value is None else (1, 0.0, str(value))


def _several(settings: Sequence[tuple[Any, ...]]) -> list[bool]:
    """Return of each part of the settings whether it has several values."""
    return [len(set(values)) > 1 for values in zip(*settings, strict=True)]


def _adds(place: int, settings: Sequence[tuple[Any, ...]]) -> bool:
    """Say whether a part of the settings does not follow from cell, task, T and forget bias."""
    return len({(*setting[: len(FACTS)], setting[place]) for setting in settings}) > len(
        {setting[: len(FACTS)] for setting in settings}
    )


def shown(value: Any) -> str:
    """Return a value as it is written at an axis."""
    if isinstance(value, int | float):
        return f"{value:g}".replace("-", "−")
    return "none" if value is None else _plain(value)


def _plain(value: Any) -> str:
    """Return text in which matplotlib finds no mathematics."""
    return str(value).replace("$", r"\$")
