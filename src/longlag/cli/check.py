"""``longlag check``: the six checks of a cell, one line each."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from longlag.cli.arguments import Parser
from longlag.cli.configs import settings_of
from longlag.cli.requests import RequestError

if TYPE_CHECKING:
    from longlag.conformance.checks import Checks

_STYLES = {"pass": "green", "fail": "bold red", "does not apply": "yellow"}


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag check`` and return its exit code.

    Raises:
        RequestError: the request was wrong.

    """
    parser = Parser(
        "check",
        "Six checks of a cell: is it the LSTM that it should be? They take about ten seconds.",
        ["longlag check cell=lstm", "longlag check --stub my_cells.py", "longlag check cell._target_=my_cells.MyLSTM"],
        takes=["cell"],
    )
    parser.add_argument("--stub", metavar="FILE", help="write a cell with the equations left to fill in, and stop")
    options = parser.parsed(arguments)
    if options.stub is not None:
        return _write_stub(Path(options.stub))
    checks = _checks(options.overrides, options.config_dir)
    console = Console() if sys.stdout.isatty() else Console(width=200)
    failed = 0
    for result in _shown(checks, console):
        failed += result.verdict == "fail"
        verdict = f"[{_STYLES[result.verdict]}]{result.verdict:14}[/]"
        console.print(f"({result.number}) {verdict}  {result.name}: {escape(result.figure)}", highlight=False)
    console.print("all that apply passed" if not failed else f"{failed} of 6 failed", highlight=False)
    return 1 if failed else 0


def _shown(checks: "Checks", console: Console) -> Any:
    """Make the checks under a spinner that counts the training steps, where there is a terminal."""
    if not console.is_terminal:
        yield from checks.run()
        return
    with console.status("checking") as status:
        checks.exercise.progress = lambda step: status.update(f"training, step {step} of {checks.exercise.steps}")
        for result in checks.run():
            status.update("checking")
            yield result


def _checks(overrides: Sequence[str], config_dir: str | None) -> "Checks":
    settings = settings_of(overrides, config_dir)
    baseline = settings_of(["cell=rnn"])

    from longlag.cli.assemble import cell_of, task_of
    from longlag.conformance.checks import Checks
    from longlag.conformance.exercise import Exercise

    task = task_of(settings)
    cell_of(settings["cell"], task.input_size)  # a wrong setting is the request's fault, not the cell's
    return Checks(
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
    print(f"{path}: fill it in, then longlag check cell._target_={path.stem}.MyLSTM")
    return 0
