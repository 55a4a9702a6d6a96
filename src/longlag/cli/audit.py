"""``longlag audit``: whether a task is really long-lag."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.status import Status

from longlag.cli.arguments import Parser
from longlag.errors import RequestError
from longlag.settings.compose import all_settings_of
from longlag.terminal import plain_table, stdout_console

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
        " a baseline does a task with an accuracy of 0.99, or by the criterion of the task.",
        ["longlag audit task=adding", "longlag audit task=latch task.T=20,100,500", "longlag audit 'task=glob(*)'"],
        takes=["task"],
    )
    parser.add_argument("--window", type=int, metavar="K", help="the last steps that the model sees (half of T)")
    parser.add_argument("--steps", type=int, default=1000, help="the training steps of the model that sees them (1000)")
    parser.add_argument("--guesses", type=int, default=10_000, help="the most nets to guess (10,000)")
    parser.add_argument("--sequences", type=int, default=512, help="the most sequences that judge each baseline (512)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parsed(arguments)
    settings = all_settings_of(options.overrides, options.config_dir)

    from longlag.audit.audit import Effort, audit
    from longlag.settings.build import build_task
    from longlag.settings.memory import check_draw, check_fits

    tasks = [build_task(each) for each in settings]
    try:
        effort = Effort(options.window, options.steps, options.guesses, options.sequences)
    except ValueError as error:
        raise RequestError(f"--{error}") from error
    for task in tasks:
        check_draw(task, "val", min(effort.sequences, task.splits.val_size))
        if effort.window is not None:
            check_fits("--window", effort.window * task.input_size * 4)
    errors = Console(stderr=True)
    audits = []
    with errors.status("") as status:  # visible in a terminal only
        for number, (each, task) in enumerate(zip(settings, tasks, strict=True), start=1):
            place = f"[{number}/{len(tasks)}] " if len(tasks) > 1 else ""
            name = f"{place}{each['run']['task']} T={task.T}: ".replace("[", r"\[")
            audits.append((each, task, audit(task, effort, _status_updater(status, name))))
    if options.json:
        print(json.dumps([_plain(*one) for one in audits], indent=1))
    else:
        _print(audits)
    return 0


def _status_updater(status: Status, name: str) -> Callable[[str], None]:
    """Return a function that shows the progress of one audit, with its name in front."""
    return lambda text: status.update(name + text)


def _plain(settings: dict[str, Any], task: "Task", result: "Audit") -> dict[str, Any]:
    facts = {"task": settings["run"]["task"], "T": task.T, "settings": settings["task"]}
    chances = {"chance_accuracy": task.chance_accuracy, "chance_loss": task.chance_loss}
    return {**facts, **chances, **dataclasses.asdict(result), "verdict": result.verdict}


def _print(audits: Sequence[tuple[dict[str, Any], "Task", "Audit"]]) -> None:
    console = stdout_console()
    table = plain_table(_HEADINGS, console, left=("task", "verdict"))
    for settings, task, result in audits:
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
