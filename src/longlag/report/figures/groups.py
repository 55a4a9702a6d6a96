"""Group the runs that differ in the seed alone, for the figures."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from longlag.report.curves import RunCurves
from longlag.report.records import FACTS, counts, fact, figure, settings_of, varied_keys
from longlag.report.statistics.rates import censored_median


@dataclass(frozen=True)
class Group:
    """The runs of one setting.

    Args:
        name: the values in which the setting differs from the others, without T and forget bias; may be empty.
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
        """The number of runs that have ended with an outcome."""
        return sum(counts(run.record) for run in self.runs)

    @property
    def times(self) -> list[float]:
        """The steps to solve of the solved runs."""
        steps = (figure(run.record, "solved_step") for run in self.runs if counts(run.record))
        return [step for step in steps if step is not None]

    @property
    def median_time(self) -> float | None:
        """The median of the steps to solve, over all runs with an outcome."""
        return censored_median(self.times, self.trials)

    @property
    def longest(self) -> float:
        """The most steps that a run with an outcome took."""
        return max((figure(run.record, "steps") or 0 for run in self.runs if counts(run.record)), default=0)


def groups_of(runs: Sequence[RunCurves]) -> list[Group]:
    """Group runs by their settings, in the order of name, T and forget bias."""
    records = [run.record for run in runs]
    keys = varied_keys(records)
    settings = settings_of(records)
    needed = [place for place in range(len(keys)) if _adds(place + len(FACTS), settings)]
    groups: dict[Any, Group] = {}
    for run, setting in zip(runs, settings, strict=True):
        *cell_task, T, bias = setting[: len(FACTS)]
        parts = [_plain(part) for part, several in zip(cell_task, _several(settings), strict=False) if several]
        parts += [f"{keys[place].split('.')[-1]} {shown(setting[len(FACTS) + place])}" for place in needed]
        groups.setdefault(setting, Group(", ".join(parts), T, bias)).runs.append(run)
    return sorted(groups.values(), key=lambda group: (group.name, rank(group.T), rank(group.bias)))


def subject_of(runs: Sequence[RunCurves]) -> str:
    """Return cell and task, where all runs have the same."""
    several = _several(settings_of([run.record for run in runs]))
    return ", ".join(
        _plain(fact(runs[0].record, name)) for name, some in zip(FACTS[:2], several, strict=False) if not some
    )


def distinct(values: Iterable[Any]) -> list[Any]:
    """Return the values without repetitions, in order: numbers, then names, then ``None``."""
    return sorted(dict.fromkeys(values), key=rank)


def rank(value: Any) -> tuple[int, float, str]:
    """Return the sort key of a value."""
    if isinstance(value, int | float) and not math.isnan(value):
        return 0, value, ""
    return (2, 0.0, "") if value is None else (1, 0.0, str(value))


def _several(settings: Sequence[tuple[Any, ...]]) -> list[bool]:
    """Return for each part of the settings whether it has several values."""
    return [len(set(values)) > 1 for values in zip(*settings, strict=True)]


def _adds(place: int, settings: Sequence[tuple[Any, ...]]) -> bool:
    """Return whether a part of the settings does not follow from cell, task, T and forget bias."""
    return len({(*setting[: len(FACTS)], setting[place]) for setting in settings}) > len(
        {setting[: len(FACTS)] for setting in settings}
    )


def shown(value: Any) -> str:
    """Return a value as text for an axis."""
    if isinstance(value, int | float):
        return f"{value:g}".replace("-", "−")
    return "none" if value is None else _plain(value)


def _plain(value: Any) -> str:
    """Return text that matplotlib does not read as mathematics."""
    return str(value).replace("$", r"\$")
