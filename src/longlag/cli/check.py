"""``longlag check``: test the claims of a cell, and measure its figures."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from longlag.cli.arguments import Parser
from longlag.errors import RequestError
from longlag.settings.compose import all_settings_of, settings_of
from longlag.settings.names import names_apart
from longlag.terminal import plain_table, print_line, stdout_console

if TYPE_CHECKING:
    from longlag.conformance.exercise.checks import SixChecks
    from longlag.conformance.measures import Measures
    from longlag.conformance.result import Result

_STYLES = {"pass": "green", "fail": "bold red", "does not apply": "yellow"}


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag check`` and return its exit code.

    Raises:
        RequestError: the request was wrong.

    """
    parser = Parser(
        "check",
        "The conformance kit: twelve checks of any cell, yours too, and its figures. The checks follow the claims"
        " of its class: a cell state, gates, a constant error carousel, a state that is linear.",
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
        "--exercise", action="store_true", help="six checks instead: is the cell an LSTM? (ten seconds)"
    )
    parser.add_argument("--stub", metavar="FILE", help="write a cell without its equations, for the exercise, and stop")
    options = parser.parsed(arguments)
    if options.stub is not None:
        return _write_stub(Path(options.stub))
    console = stdout_console()
    if options.exercise:
        if len(all_settings_of(options.overrides, options.config_dir)) > 1:
            raise RequestError("longlag check --exercise takes one cell")
        return _exercise(settings_of(options.overrides, options.config_dir), console)
    return _kit(all_settings_of(options.overrides, options.config_dir), console)


def _kit(settings: Sequence[Mapping[str, Any]], console: Console) -> int:
    from longlag.conformance.first_step import first_step_fails
    from longlag.conformance.kit import conformance
    from longlag.conformance.measures import LAGS, measure
    from longlag.conformance.result import Result
    from longlag.settings.build import build_cell, build_task

    tasks = [build_task({**settings[0], "task": {**settings[0]["task"], "T": T}}) for T in LAGS]
    input_size = tasks[0].input_size

    def maker(cell: Mapping[str, Any]) -> Callable[..., Any]:
        return lambda **changes: build_cell({**cell, **changes}, input_size)

    makes = [maker(each["cell"]) for each in settings]
    names = names_apart([each["run"]["cell"] for each in settings], [each["cell"] for each in settings])
    for make in makes:
        make()  # a wrong setting is an error of the request, not of the cell
    rows: list[tuple[str, list[Result], Measures | None]] = []
    for number, (name, make) in enumerate(zip(names, makes, strict=True), start=1):
        with console.status(f"checking {name} ({number} of {len(settings)})"):
            why = first_step_fails(make, input_size)
            results = [Result("one step", "fail", why)] if why else list(conformance(make, input_size))
            failed = any(result.verdict == "fail" for result in results)
            measures = None if failed else measure(make, tasks)
        rows.append((name, results, measures))
        for result in results if len(settings) == 1 else [one for one in results if one.verdict == "fail"]:
            _print(result, console, "" if len(settings) == 1 else f"{name}: ")
    console.print()
    console.print(_table(rows, console))
    failures = sum(result.verdict == "fail" for _, results, _ in rows for result in results)
    print_line(console, "\nall that apply passed" if not failures else f"\n{failures} failed")
    return 1 if failures else 0


def _table(rows: "Sequence[tuple[str, list[Result], Measures | None]]", console: Console) -> Table:
    """Return a table with a row for each cell: its passed checks, and its figures."""
    from longlag.conformance.measures import LAGS

    gradients = [f"early\ngradient\nT={T}" for T in LAGS]
    headings = ["cell", "passed", "parameters", "state\nper unit", *gradients, "µs/step"]
    table = plain_table(headings, console, left=("cell",))
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
    from longlag.conformance.first_step import first_step_fails

    failed, checks = 0, _six_checks(settings)
    if (why := first_step_fails(lambda: checks.make(2), checks.input_size)) is not None:
        print_line(console, f"{settings['run']['cell']} cannot take a step: {why}")
        return 1
    for number, result in enumerate(_with_progress(checks, console), start=1):
        failed += result.verdict == "fail"
        _print(result, console, f"({number}) ")
    print_line(console, "all that apply passed" if not failed else f"{failed} of 6 failed")
    return 1 if failed else 0


def _print(result: "Result", console: Console, before: str) -> None:
    verdict = f"[{_STYLES[result.verdict]}]{result.verdict:14}[/]"
    console.print(f"{before}{verdict}  {result.name}: {escape(result.figure)}", highlight=False)


def _with_progress(checks: "SixChecks", console: Console) -> "Iterator[Result]":
    """Run the checks; in a terminal, a spinner counts the training steps."""
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

    from longlag.conformance.exercise.checks import SixChecks
    from longlag.conformance.exercise.training import Exercise
    from longlag.settings.build import build_cell, build_task

    task = build_task(settings)
    cell = build_cell(settings["cell"], task.input_size)  # a wrong setting is an error of the request, not of the cell
    declared = inspect.signature(type(cell).__init__).parameters.get("forget_bias")
    default = None if declared is None or declared.default is inspect.Parameter.empty else declared.default
    return SixChecks(
        make=lambda size: build_cell({**settings["cell"], "hidden_size": size}, task.input_size),
        make_rnn=lambda size: build_cell({**baseline["cell"], "hidden_size": size}, task.input_size),
        exercise=Exercise(task),
        forget_bias=settings["cell"].get("forget_bias", default),
    )


def _write_stub(path: Path) -> int:
    from longlag.conformance.exercise.stub import stub

    if path.suffix != ".py" or not path.stem.isidentifier():
        raise RequestError(f"--stub: {path} should be a Python file that can be imported, such as my_cells.py")
    try:
        with path.open("x", encoding="utf-8") as file:  # never overwrite a file: it may be a solution
            file.write(stub(path.stem))
    except FileExistsError:
        raise RequestError(f"--stub: {path} is there already; name another file") from None
    except OSError as error:
        raise RequestError(f"--stub: cannot write {path}: {error.strerror}") from error
    print(f"{path}: fill it in, then longlag check --exercise cell._target_={path.stem}.MyLSTM")
    return 0
