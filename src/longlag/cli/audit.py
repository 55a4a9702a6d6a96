"""``longlag audit``: whether a task is really long-lag."""

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.status import Status
from rich.table import Table

from longlag.cli.arguments import Parser
from longlag.cli.configs import all_settings_of
from longlag.cli.requests import RequestError

if TYPE_CHECKING:
    from longlag.audit.audit import Audit
    from longlag.task import Task

_HEADINGS = ["task", "T", "best constant", "last steps", "accuracy", "guesses", "accuracy", "verdict"]


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag audit`` and return its exit code.

    Raises:
        RequestError: the request was wrong.

    """
    parser = Parser(
        "audit",
        "Is a task really long-lag? Three baselines try it: the best constant output; a model that sees only the last"
        " steps; and recurrent nets whose weights are guessed at random. Accuracies are those of the validation split;"
        " a baseline does a task that it gets right 99 times in 100, or by the task's own criterion.",
        ["longlag audit task=adding", "longlag audit task=latch task.T=20,100,500", "longlag audit 'task=glob(*)'"],
        takes=["task"],
    )
    parser.add_argument("--window", type=int, metavar="K", help="how many last steps are seen; half of T if not given")
    parser.add_argument("--steps", type=int, default=1000, help="of the training of the model that sees them (1000)")
    parser.add_argument("--guesses", type=int, default=10_000, help="the most nets that are guessed (10,000)")
    parser.add_argument("--sequences", type=int, default=512, help="on which each baseline is judged, at most (512)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parsed(arguments)
    settings = all_settings_of(options.overrides, options.config_dir)

    from longlag.audit.audit import Effort, audit
    from longlag.cli.assemble import task_of

    tasks = [task_of(each) for each in settings]
    try:
        effort = Effort(options.window, options.steps, options.guesses, options.sequences)
    except ValueError as error:
        raise RequestError(f"--{error}") from error
    errors = Console(stderr=True)
    found = []
    with errors.status("") as status:  # which is seen in a terminal only
        for number, (each, task) in enumerate(zip(settings, tasks, strict=True), start=1):
            place = f"[{number}/{len(tasks)}] " if len(tasks) > 1 else ""
            name = f"{place}{each['run']['task']} T={task.T}: ".replace("[", r"\[")
            found.append((each, task, audit(task, effort, _telling(status, name))))
    if options.json:
        print(json.dumps([_plain(*one) for one in found], indent=1))
    else:
        _print(found)
    return 0


def _telling(status: Status, name: str) -> Callable[[str], None]:
    """Return what is told of the progress of one audit: its name goes before it."""
    return lambda text: status.update(name + text)


def _plain(settings: dict[str, Any], task: "Task", result: "Audit") -> dict[str, Any]:
    facts = {"task": settings["run"]["task"], "T": task.T, "settings": settings["task"]}
    chances = {"chance_accuracy": task.chance_accuracy, "chance_loss": task.chance_loss}
    return {**facts, **chances, **dataclasses.asdict(result), "verdict": result.verdict}


def _print(found: Sequence[tuple[dict[str, Any], "Task", "Audit"]]) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=200)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in ("task", "verdict") else "right")
    for settings, task, result in found:
        table.add_row(
            settings["run"]["task"],
            str(task.T),
            f"{result.constant.accuracy:.3f}",
            str(result.window),
            f"{result.window_accuracy:.3f}",
            f"{result.guessed.tried:,}",
            f"{result.guessed.accuracy:.3f}",
            result.verdict,
        )
    console.print(table)
