"""``longlag show``: sequences of a task, in the terminal or as a picture."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from longlag.cli.arguments import Parser
from longlag.cli.configs import all_settings_of
from longlag.cli.requests import RequestError

if TYPE_CHECKING:
    from longlag.show.tracks import Portrait


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag show`` and return its exit code.

    Raises:
        RequestError: the request was wrong.

    """
    parser = Parser(
        "show",
        "Draw some training sequences of a task: the inputs over time, the cues on which the targets depend marked,"
        " and the targets. The sequences are those that a run with the same seed is trained on.",
        ["longlag show task=adding task.T=20", "longlag show task=copy_memory --png .", "longlag show 'task=glob(*)'"],
        takes=["task", "seed"],
    )
    parser.add_argument("--n", type=int, default=3, help="how many sequences (3)")
    parser.add_argument("--steps", type=int, default=200, help="the most steps of each that are drawn (200)")
    parser.add_argument("--png", metavar="DIR", help="save a picture for each task, DIR/TASK.png, instead of printing")
    options = parser.parsed(arguments)
    for name in ("n", "steps"):
        if getattr(options, name) < 1:
            raise RequestError(f"--{name} must be a positive integer, got {getattr(options, name)}")
    settings = all_settings_of(options.overrides, options.config_dir)

    from longlag.cli.assemble import task_of
    from longlag.show.strip import print_strip
    from longlag.show.tracks import portraits

    console = Console() if sys.stdout.isatty() else Console(width=120)
    for each, task in [(each, task_of(each)) for each in settings]:
        title = f"{each['run']['task']}, T={task.T}"
        drawn = portraits(task, task.train_batch(0).select(slice(options.n)))
        if options.png is not None:
            _save(Path(options.png) / f"{each['run']['task']}.png", title, drawn, options.steps)
            continue
        console.print(f"[bold]{title}[/]", highlight=False)
        for portrait in drawn:
            print_strip(portrait, console, options.steps)
            console.print()
    return 0


def _save(path: Path, title: str, drawn: "Sequence[Portrait]", steps: int) -> None:
    from longlag.show.picture import save_picture

    try:
        save_picture(drawn, title, path, steps)
    except OSError as error:
        raise RequestError(f"--png: cannot write {path}: {error.strerror}") from error
    print(path)
