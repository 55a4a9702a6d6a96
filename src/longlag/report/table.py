"""The table of runs, and the table of solve rates, in the terminal."""

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console

from longlag.metric import Metric
from longlag.report.columns import ALWAYS, TERMINAL, columns_of, declared_metrics
from longlag.report.records import counts, fact, figure, mixed_engines, state_of, varied_keys
from longlag.report.statistics.rates import censored_median
from longlag.runs import RunRecord, in_words
from longlag.runs.schema import flattened
from longlag.terminal import print_table

Column = tuple[str, Callable[[RunRecord], str]]  # a heading, and the function that reads the entry from a run

_SETTING: list[Column] = [
    ("cell", lambda run: _text(fact(run, "cell"))),
    ("task", lambda run: _text(fact(run, "task"))),
    ("T", lambda run: _text(fact(run, "T"))),
    ("forget\nbias", lambda run: _bias(fact(run, "forget_bias"))),
]
_SEED: Column = ("seed", lambda run: _text(fact(run, "seed")))
LEFT = {"cell", "task"}
_HEADING_WIDTH = 8


def print_runs(runs: Sequence[RunRecord], console: Console) -> None:
    """Print a row for each run, and the solve rates where a setting has several seeds.

    A setting in which the runs differ gets a column. So does each metric that is declared as shown everywhere.
    """
    setting = setting_columns(runs)
    keys = [*ALWAYS, *(key for run in runs for key in run.summary)]
    metrics = columns_of(keys, declared_metrics(runs), TERMINAL)
    columns = [*setting, _SEED, *map(_metric_column, metrics)]
    rows = [[read(run) for _, read in columns] for run in runs]
    print_table([heading for heading, _ in columns], rows, console, LEFT)
    groups = _groups(runs, setting)
    if any(len(members) > 1 for members in groups.values()):
        judged = [metric for metric in metrics if metric.better and metric.key.startswith("test/")]
        console.print()
        _print_rates(groups, setting, judged, console)
    if (note := mixed_engines(runs)) is not None:
        console.print(f"\n{note}", highlight=False, markup=False)


def setting_columns(runs: Sequence[RunRecord]) -> list[Column]:
    """Return the columns that name a setting: cell, task, T and forget bias, and whatever else differs."""
    return [*_SETTING, *map(_setting_column, varied_keys(runs))]


def _print_rates(
    groups: dict[tuple[str, ...], list[RunRecord]], setting: list[Column], judged: list[Metric], console: Console
) -> None:
    """Print the table of solve rates, with the mean of each metric that says how good a run is."""
    means = [_heading(f"mean {metric.label}") for metric in judged]
    headings = [*(heading for heading, _ in setting), "parameters", "solved", "median steps\nto solve", *means]
    rows: list[list[str]] = []
    for key, members in groups.items():
        steps = [step for run in members if (step := figure(run, "solved_step")) is not None]
        parameters, median = figure(members[0], "parameters"), censored_median(steps, len(members))
        row = [
            *key,
            "-" if parameters is None else f"{parameters:,.0f}",
            f"{len(steps)} of {len(members)}",
            "-" if median is None else f"{median:g}",
        ]
        rows.append([*row, *(_value(_mean(members, metric.key), metric) for metric in judged)])
    print_table(headings, rows, console, LEFT)


def _groups(runs: Sequence[RunRecord], setting: list[Column]) -> dict[tuple[str, ...], list[RunRecord]]:
    """Return the runs that count in the rates, by their entries in the columns of the setting."""
    groups: dict[tuple[str, ...], list[RunRecord]] = {}
    for run in filter(counts, runs):
        groups.setdefault(tuple(read(run) for _, read in setting), []).append(run)
    return groups


def _mean(runs: Sequence[RunRecord], key: str) -> float | None:
    values = [value for run in runs if (value := figure(run, key)) is not None]
    return sum(values) / len(values) if values else None


def _setting_column(key: str) -> Column:
    head, _, last = key.rpartition(".")
    return f"{head}.\n{last}" if head else last, lambda run: _text(flattened(run.config).get(key))


def _metric_column(metric: Metric) -> Column:
    if metric.key == "solved_step":
        return _heading(metric.label), _solved_at
    return _heading(metric.label), lambda run: _value(figure(run, metric.key), metric)


def _heading(label: str) -> str:
    """Return a label in lines that are about as wide as the values below them."""
    return "\n".join(textwrap.wrap(label, _HEADING_WIDTH, break_long_words=False)).replace(" (", "\n(")


def _solved_at(run: RunRecord) -> str:
    """Return the step at which a run was solved; if it was not solved, how it stands."""
    state, step = state_of(run), figure(run, "solved_step")
    if step is not None:
        return f"{step:g}"
    return f">{run.summary['steps']}" if state == "done" and "steps" in run.summary else in_words(state)


def _text(value: Any) -> str:
    return "-" if value is None else str(value)


def _bias(value: Any) -> str:
    return f"{value:g}" if isinstance(value, int | float) else _text(value)


def _value(value: float | None, metric: Metric) -> str:
    """Return a value of a metric in as many digits as its scale needs."""
    if value is None:
        return "-"
    if metric.scale == "share":
        return f"{value:.3f}"
    if metric.scale == "log":
        return f"{value:.1e}"
    if metric.unit == "s":
        return f"{value:,.1f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
