"""Group the runs that differ in the seed alone, for the figures."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from longlag.report.curves import RunCurves
from longlag.report.records import FACTS, counts, fact, figure, settings_of, varied_keys
from longlag.report.statistics.rates import censored_median


@dataclass(frozen=True)
class Group:
    """The runs of one setting.

    Args:
        cell: cell and task, where the settings differ in them; may be empty.
        rest: the other values in which the setting differs from the others, without T and forget bias; may be empty.
        T: the lag; ``None`` where the task has none.
        bias: the forget bias: a number, the name of another start, or ``None``.
        runs: the runs.

    """

    cell: str
    rest: str
    T: Any
    bias: Any
    runs: list[RunCurves] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The values in which the setting differs from the others, without T and forget bias; may be empty."""
        return joined(self.cell, self.rest)

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
    needed = _refining(keys, settings)
    several = _several(settings)
    groups: dict[Any, Group] = {}
    for run, setting in zip(runs, settings, strict=True):
        *cell_task, T, bias = setting[: len(FACTS)]
        cell = joined(*(_plain(part) for part, some in zip(cell_task, several, strict=False) if some))
        rest = joined(*(f"{keys[place].split('.')[-1]} {shown(setting[len(FACTS) + place])}" for place in needed))
        groups.setdefault(setting, Group(cell, rest, T, bias)).runs.append(run)
    return sorted(groups.values(), key=lambda group: (group.name, rank(group.T), rank(group.bias)))


def names_of(groups: Sequence[Group], lag: bool = False) -> list[str]:
    """Return the name of each setting among others: the values in which they differ.

    Args:
        groups: the settings.
        lag: whether the lag is a part of the name.

    """
    lags = lag and len({(group.name, group.T) for group in groups}) > len({group.name for group in groups})
    known = {(group.name, group.T if lags else None) for group in groups}
    biases = len({(group.name, group.T if lags else None, group.bias) for group in groups}) > len(known)
    return [
        joined(
            group.cell,
            f"T = {shown(group.T)}" if lags else "",
            f"b = {shown(group.bias)}" if biases and (group.bias is not None or not group.cell) else "",
            group.rest,
        )
        for group in groups
    ]


def joined(*parts: str) -> str:
    """Return the parts that are not empty, with commas between them."""
    return ", ".join(filter(None, parts))


def left_out(groups: Sequence[Group], kept: Callable[[RunCurves], Any], what: str) -> str:
    """Return a clause about the runs that a figure leaves out; empty if it shows all of them."""
    without, runs = sum(not kept(run) for group in groups for run in group.runs), sum(len(g.runs) for g in groups)
    return f"left out: {without} of {runs} runs, {what}" if without else ""


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


def _refining(keys: Sequence[str], settings: Sequence[tuple[Any, ...]]) -> list[int]:
    """Return the places of the keys that are needed to tell the settings apart, the study before the others.

    A key is left out if it follows from cell, task, T, forget bias and the keys before it.
    """
    needed: list[int] = []
    known = list(range(len(FACTS)))
    for place in sorted(range(len(keys)), key=lambda place: keys[place] != "study"):
        finer = [*known, len(FACTS) + place]
        if len({tuple(setting[k] for k in finer) for setting in settings}) > len(
            {tuple(setting[k] for k in known) for setting in settings}
        ):
            known = finer
            needed.append(place)
    return needed


def shown(value: Any) -> str:
    """Return a value as text for an axis."""
    if isinstance(value, int | float):
        return f"{value:g}".replace("-", "−")
    return "none" if value is None else _plain(value)


def _plain(value: Any) -> str:
    """Return text that matplotlib does not read as mathematics."""
    return str(value).replace("$", r"\$")
