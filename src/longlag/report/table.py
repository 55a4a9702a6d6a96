"""The table of runs, and the table of solve rates, in the terminal."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from longlag.runs import RunRecord

#: heading, and how the entry is read from a run
_COLUMNS: list[tuple[str, Callable[[RunRecord], str]]] = [
    ("cell", lambda run: str(_fact(run, "cell"))),
    ("task", lambda run: str(_fact(run, "task"))),
    ("T", lambda run: _number(_fact(run, "T"), "g")),
    ("forget\nbias", lambda run: _number(_fact(run, "forget_bias"), "g")),
    ("seed", lambda run: _number(_fact(run, "seed"), "g")),
    ("test\naccuracy", lambda run: _number(run.summary.get("test/acc"), ".3f")),
    ("solved\nat step", lambda run: _outcome(run)),
    ("early\ngradient", lambda run: _number(run.summary.get("early_gradient_init"), ".1e")),
    ("\nat end", lambda run: _number(run.summary.get("early_gradient_end"), ".1e")),
    ("time\n(s)", lambda run: _number(run.summary.get("seconds"), ".1f")),
]
_TEXT = {"cell", "task"}


def print_runs(runs: Sequence[RunRecord], console: Console) -> None:
    """Print a row a run, and the solve rates where there are several seeds of anything."""
    table = _table([heading for heading, _ in _COLUMNS], console)
    for run in runs:
        table.add_row(*(read(run) for _, read in _COLUMNS))
    console.print(table)
    groups = _groups(runs)
    if any(len(members) > 1 for members in groups.values()):
        console.print()
        console.print(_rates(groups, console))


def _rates(groups: dict[tuple[Any, ...], list[RunRecord]], console: Console) -> Table:
    headings = ["cell", "task", "T", "forget\nbias", "solved", "median steps\nto solve", "mean test\naccuracy"]
    table = _table(headings, console)
    for (cell, task, T, forget_bias), members in groups.items():
        steps = sorted(run.summary["solved_step"] for run in members if run.summary.get("solved"))
        accuracies = [run.summary["test/acc"] for run in members if run.summary.get("test/acc") is not None]
        table.add_row(
            str(cell),
            str(task),
            _number(T, "g"),
            _number(forget_bias, "g"),
            f"{len(steps)} of {len(members)}",
            _median_of_censored(steps, len(members)),
            _number(sum(accuracies) / len(accuracies) if accuracies else None, ".3f"),
        )
    return table


def _median_of_censored(steps: list[int], runs: int) -> str:
    """Return the median over all runs, an unsolved one counting as longer than any solved one."""
    times = [*map(float, steps), *[float("inf")] * (runs - len(steps))]
    middle = median(times)
    return "-" if middle == float("inf") else f"{middle:g}"


def _groups(runs: Iterable[RunRecord]) -> dict[tuple[Any, ...], list[RunRecord]]:
    """Return the runs that differ in nothing but the seed, as far as the table shows."""
    groups: dict[tuple[Any, ...], list[RunRecord]] = {}
    for run in runs:
        key = tuple(_fact(run, name) for name in ("cell", "task", "T", "forget_bias"))
        groups.setdefault(key, []).append(run)
    return groups


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
        name = heading if ruled else " ".join(heading.split())
        table.add_column(name, justify="left" if heading in _TEXT else "right", vertical="bottom")
    return table


def _outcome(run: RunRecord) -> str:
    state, step = run.status.state, run.summary.get("solved_step")
    if step is not None:
        return str(step)
    return f">{run.summary.get('steps')}" if state == "done" else state


def _fact(run: RunRecord, name: str) -> Any:
    return run.config.get("run", {}).get(name)


def _number(value: Any, form: str) -> str:
    return "-" if value is None else format(value, form)
