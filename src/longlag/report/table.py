"""The table of runs, and the table of solve rates, in the terminal."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from longlag.report.statistics import censored_median
from longlag.runs import RunRecord

Column = tuple[str, Callable[[RunRecord], str]]  # a heading, and how the entry is read from a run

_IDENTITY: list[Column] = [
    ("cell", lambda run: _text(_fact(run, "cell"))),
    ("task", lambda run: _text(_fact(run, "task"))),
    ("T", lambda run: _text(_fact(run, "T"))),
    ("forget\nbias", lambda run: _number(_fact(run, "forget_bias"), "g")),
]
_SEED: Column = ("seed", lambda run: _text(_fact(run, "seed")))
_OUTCOME: list[Column] = [
    ("test\naccuracy", lambda run: _number(run.summary.get("test/acc"), ".3f")),
    ("solved\nat step", lambda run: _solved_at(run)),
    ("early\ngradient", lambda run: _number(run.summary.get("early_gradient_init"), ".1e")),
    ("\nat end", lambda run: _number(run.summary.get("early_gradient_end"), ".1e")),
    ("time\n(s)", lambda run: _number(run.summary.get("seconds"), ".1f")),
]
_LEFT = {"cell", "task"}
#: Settings that are in the table already, or that do not make a run another one than its seed does.
_SHOWN = {"cell._target_", "cell.forget_bias", "task._target_", "task.T", "seed", "task.splits.seed"}


def print_runs(runs: Sequence[RunRecord], console: Console) -> None:
    """Print a row a run, and the solve rates where there are several seeds of anything.

    A setting in which the runs differ, and for which there is no column yet, gets one.
    """
    varied = [_column_of(key) for key in varied_keys(runs)]
    identity = [*_IDENTITY, *varied]
    columns = [*identity, _SEED, *_OUTCOME]
    table = _table([heading for heading, _ in columns], console)
    for run in runs:
        table.add_row(*(escape(read(run)) for _, read in columns))
    console.print(table)
    groups = _groups(runs, identity)
    if any(len(members) > 1 for members in groups.values()):
        console.print()
        console.print(_rates(groups, identity, console))


def flat_row(run: RunRecord) -> dict[str, Any]:
    """Return all that is known of a run in one flat mapping: what it is, how it ended, its figures, its settings."""
    identity = {name: _fact(run, name) for name in ("cell", "task", "T", "forget_bias", "seed")}
    outcome = {"state": run.status.state, "reason": run.status.reason, "folder": str(run.folder.path)}
    figures = {key: value for key, value in run.summary.items() if key not in identity and key not in outcome}
    settings = {f"config.{key}": value for key, value in flattened(run.config).items() if not key.startswith("run.")}
    return {**identity, **outcome, **figures, **settings}


def state_of(run: RunRecord) -> str:
    """Return the state of a run; ``gone`` if its status says running, and its process is not there any more."""
    try:
        gone = run.status.state == "running" and not run.status.alive
    except (TypeError, OverflowError, OSError):  # a damaged process id
        gone = True
    return "gone" if gone else run.status.state


def varied_keys(runs: Sequence[RunRecord]) -> list[str]:
    """Return the settings, by their dotted names, in which the runs differ and that the table does not show yet.

    What each task has a value of its own for, and one only, goes with the name of the task; so does a setting that only
    some cells have, such as the number of heads, with the name of the cell.
    """
    flat = [flattened(run.config) for run in runs]
    names = {part: [str(_fact(run, part)) for run in runs] for part in ("cell", "task")}
    keys = dict.fromkeys(key for settings in flat for key in settings)

    def varies(key: str) -> bool:
        part = key.split(".")[0]
        owners = names.get(part, [""] * len(runs))
        found = {  # elsewhere than in a cell or a task, a setting that a run has not is one in which it differs
            (owner, json.dumps(settings.get(key), default=str))
            for owner, settings in zip(owners, flat, strict=True)
            if part not in names or key in settings
        }
        groups = {owner for owner, _ in found}
        shared = part == "cell" and groups == set(owners)  # all cells have it, so it can be compared
        return len({value for _, value in found}) > 1 and (shared or len(found) > len(groups))

    return [key for key in keys if key not in _SHOWN and not key.startswith(("run.", "logger.")) and varies(key)]


def flattened(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings as one mapping with dotted keys."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        found |= flattened(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def _rates(groups: dict[tuple[str, ...], list[RunRecord]], identity: list[Column], console: Console) -> Table:
    headings = [heading for heading, _ in identity]
    table = _table([*headings, "parameters", "solved", "median steps\nto solve", "mean test\naccuracy"], console)
    for key, members in groups.items():
        steps = [step for run in members if (step := _figure(run, "solved_step")) is not None]
        accuracies = [accuracy for run in members if (accuracy := _figure(run, "test/acc")) is not None]
        table.add_row(
            *map(escape, key),
            _number(members[0].summary.get("parameters"), ","),
            f"{len(steps)} of {len(members)}",
            _number(censored_median(steps, len(members)), "g"),
            _number(sum(accuracies) / len(accuracies) if accuracies else None, ".3f"),
        )
    return table


def _groups(runs: Sequence[RunRecord], identity: list[Column]) -> dict[tuple[str, ...], list[RunRecord]]:
    """Return the runs that have ended and say how, by what they have in common but for the seed."""
    groups: dict[tuple[str, ...], list[RunRecord]] = {}
    for run in runs:
        if run.status.finished and run.summary:
            groups.setdefault(tuple(read(run) for _, read in identity), []).append(run)
    return groups


def _column_of(key: str) -> Column:
    head, _, last = key.rpartition(".")
    return f"{head}.\n{last}" if head else last, lambda run: _text(flattened(run.config).get(key))


def _table(headings: Sequence[str], console: Console) -> Table:
    """Return an empty table: ruled and with headings of two lines in a terminal, plain columns elsewhere."""
    ruled = console.is_terminal
    table = Table(
        box=box.SIMPLE_HEAD if ruled else None,
        show_edge=False,
        pad_edge=False,
        collapse_padding=ruled,
        header_style="bold",
    )
    for heading in headings:
        name = heading if ruled else " ".join(heading.split()).replace(". ", ".")
        table.add_column(name, justify="left" if heading in _LEFT else "right", vertical="bottom")
    return table


def _solved_at(run: RunRecord) -> str:
    state, step = state_of(run), _figure(run, "solved_step")
    if step is not None:
        return f"{step:g}"
    return f">{run.summary['steps']}" if state == "done" and "steps" in run.summary else state


def _figure(run: RunRecord, name: str) -> float | None:
    """Return a figure of the summary; ``None`` if there is none, or something else in its place."""
    value = run.summary.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _fact(run: RunRecord, name: str) -> Any:
    return run.config.get("run", {}).get(name)


def _text(value: Any) -> str:
    return "-" if value is None else str(value)


def _number(value: Any, form: str) -> str:
    return format(value, form) if isinstance(value, int | float) else _text(value)
