"""``longlag check``: is a cell what it claims to be, and what is it in figures."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from longlag.cli.arguments import Parser
from longlag.cli.configs import all_settings_of, settings_of
from longlag.cli.requests import RequestError

if TYPE_CHECKING:
    from longlag.conformance.measures import Measures
    from longlag.conformance.result import Result
    from longlag.conformance.six import SixChecks

_STYLES = {"pass": "green", "fail": "bold red", "does not apply": "yellow"}


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag check`` and return its exit code.

    Raises:
        RequestError: the request was wrong.

    """
    parser = Parser(
        "check",
        "The conformance kit: twelve checks of any cell, yours too, and its figures. The checks follow what the class"
        " of the cell claims: a cell state, gates, a constant error carousel, a state that is linear.",
        [
            "longlag check cell=gru",
            "longlag check 'cell=glob(*)'",
            "longlag check cell._target_=my_cells.MyCell",
            "longlag check --stub my_cells.py",
            "longlag check --exercise cell._target_=my_cells.MyLSTM",
        ],
        takes=["cell"],
    )
    parser.add_argument(
        "--exercise", action="store_true", help="six checks instead: is it the LSTM that it should be? (ten seconds)"
    )
    parser.add_argument("--stub", metavar="FILE", help="write a cell with the equations left to fill in, and stop")
    options = parser.parsed(arguments)
    if options.stub is not None:
        return _write_stub(Path(options.stub))
    console = Console() if sys.stdout.isatty() else Console(width=200)
    if options.exercise:
        if len(all_settings_of(options.overrides, options.config_dir)) > 1:
            raise RequestError("longlag check --exercise takes one cell")
        return _exercise(settings_of(options.overrides, options.config_dir), console)
    return _kit(all_settings_of(options.overrides, options.config_dir), console)


def _kit(settings: Sequence[Mapping[str, Any]], console: Console) -> int:
    from longlag.cli.assemble import cell_of, task_of
    from longlag.conformance.kit import conformance
    from longlag.conformance.measures import measure

    input_size = task_of(settings[0]).input_size

    def maker(cell: Mapping[str, Any]) -> Callable[..., Any]:
        return lambda **changes: cell_of({**cell, **changes}, input_size)

    makes = [maker(each["cell"]) for each in settings]
    names = names_apart([each["run"]["cell"] for each in settings], [each["cell"] for each in settings])
    for make in makes:
        make()  # a wrong setting is the request's fault, not the cell's
    rows: list[tuple[str, list[Result], Measures | None]] = []
    for number, (name, make) in enumerate(zip(names, makes, strict=True), start=1):
        with console.status(f"checking {name} ({number} of {len(settings)})"):
            results = list(conformance(make, input_size))
            failed = any(result.verdict == "fail" for result in results)
            measures = None if failed else measure(make, input_size)
        rows.append((name, results, measures))
        for result in results if len(settings) == 1 else [one for one in results if one.verdict == "fail"]:
            _print(result, console, "" if len(settings) == 1 else f"{name}: ")
    console.print()
    console.print(_table(rows, console))
    failures = sum(result.verdict == "fail" for _, results, _ in rows for result in results)
    console.print("\nall that apply passed" if not failures else f"\n{failures} failed", highlight=False)
    return 1 if failures else 0


def names_apart(cells: Sequence[str], settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return names by which the cells can be told apart: with the settings in which those of one name differ."""
    named = []
    for name, own in zip(cells, settings, strict=True):
        same = [other for cell, other in zip(cells, settings, strict=True) if cell == name]
        differing = [key for key in own if any(other.get(key) != own[key] for other in same)]
        named.append(" ".join([name, *(f"{key}={own[key]}" for key in differing)]))
    return named


def _table(rows: "Sequence[tuple[str, list[Result], Measures | None]]", console: Console) -> Table:
    """Return a row a cell: how the checks went, and its figures."""
    from longlag.conformance.measures import LAGS

    ruled = console.is_terminal
    table = Table(
        box=box.SIMPLE_HEAD if ruled else None,
        show_edge=False,
        pad_edge=False,
        collapse_padding=ruled,
        header_style="bold",
    )
    table.add_column("cell", vertical="bottom", no_wrap=True)
    gradients = [f"early\ngradient\nT={T}" for T in LAGS]
    for heading in ("passed", "parameters", "state\nper unit", *gradients, "µs/step"):
        name = heading if ruled else " ".join(heading.split())
        table.add_column(name, justify="right", vertical="bottom", no_wrap=True)
    for name, results, measures in rows:
        passed = sum(result.verdict == "pass" for result in results)
        applied = sum(result.verdict != "does not apply" for result in results)
        figures = ["-"] * 5
        if measures is not None:
            sizes = (f"{measures.parameters:,}", f"{measures.state:g}")
            figures = [*sizes, *(f"{x:.1e}" for x in measures.early_gradients), f"{measures.step_us:.0f}"]
        table.add_row(name, f"{passed} of {applied}", *figures)
    return table


def _exercise(settings: dict[str, Any], console: Console) -> int:
    failed = 0
    for number, result in enumerate(_shown(_six_checks(settings), console), start=1):
        failed += result.verdict == "fail"
        _print(result, console, f"({number}) ")
    console.print("all that apply passed" if not failed else f"{failed} of 6 failed", highlight=False)
    return 1 if failed else 0


def _print(result: "Result", console: Console, before: str) -> None:
    verdict = f"[{_STYLES[result.verdict]}]{result.verdict:14}[/]"
    console.print(f"{before}{verdict}  {result.name}: {escape(result.figure)}", highlight=False)


def _shown(checks: "SixChecks", console: Console) -> "Iterator[Result]":
    """Make the checks under a spinner that counts the training steps, where there is a terminal."""
    if not console.is_terminal:
        yield from checks.run()
        return
    with console.status("checking") as status:
        checks.exercise.progress = lambda step: status.update(f"training, step {step} of {checks.exercise.steps}")
        for result in checks.run():
            status.update("checking")
            yield result


def _six_checks(settings: dict[str, Any]) -> "SixChecks":
    baseline = settings_of(["cell=rnn"])

    from longlag.cli.assemble import cell_of, task_of
    from longlag.conformance.exercise import Exercise
    from longlag.conformance.six import SixChecks

    task = task_of(settings)
    cell_of(settings["cell"], task.input_size)  # a wrong setting is the request's fault, not the cell's
    return SixChecks(
        make=lambda size: cell_of({**settings["cell"], "hidden_size": size}, task.input_size),
        make_rnn=lambda size: cell_of({**baseline["cell"], "hidden_size": size}, task.input_size),
        exercise=Exercise(task),
    )


def _write_stub(path: Path) -> int:
    from longlag.conformance.stub import stub

    if path.suffix != ".py" or not path.stem.isidentifier():
        raise RequestError(f"--stub: {path} should be a Python file that can be imported, such as my_cells.py")
    try:
        with path.open("x") as file:  # never over a file that is there: it may be somebody's solution
            file.write(stub(path.stem))
    except FileExistsError:
        raise RequestError(f"--stub: {path} is there already; name another file") from None
    except OSError as error:
        raise RequestError(f"--stub: cannot write {path}: {error.strerror}") from error
    print(f"{path}: fill it in, then longlag check --exercise cell._target_={path.stem}.MyLSTM")
    return 0
