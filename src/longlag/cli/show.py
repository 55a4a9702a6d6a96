"""``longlag show``: sequences of a task, in the terminal or as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from longlag.cli.arguments import Parser
from longlag.errors import RequestError
from longlag.settings.compose import all_settings_of
from longlag.terminal import print_line, stdout_console

if TYPE_CHECKING:
    from longlag.show.sequence_tracks import SequenceTracks


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag show`` and return its exit code.

    Raises:
        RequestError: the request was wrong.

    """
    parser = Parser(
        "show",
        "Draw some training sequences of a task: the inputs over time, marks at the cues on which the targets depend,"
        " and the targets. A run with the same seed trains on the same sequences.",
        ["longlag show task=adding task.T=20", "longlag show task=copy_memory --png .", "longlag show 'task=glob(*)'"],
        takes=["task", "seed"],
    )
    parser.add_argument("--n", type=int, default=3, help="the number of sequences (3)")
    parser.add_argument("--steps", type=int, default=200, help="the most steps of a sequence to draw (200)")
    parser.add_argument("--png", metavar="DIR", help="save a picture for each task, DIR/TASK.png, instead of printing")
    options = parser.parsed(arguments)
    for name in ("n", "steps"):
        if getattr(options, name) < 1:
            raise RequestError(f"--{name} must be a positive integer, got {getattr(options, name)}")
    settings = all_settings_of(options.overrides, options.config_dir)

    from longlag.settings.build import build_task
    from longlag.settings.memory import check_draw
    from longlag.show.sequence_tracks import sequence_tracks
    from longlag.show.terminal import print_strip

    console = stdout_console(width=120)
    tasks = [build_task(each) for each in settings]
    for task in tasks:
        check_draw(task, "train", task.splits.train_size or task.splits.batch_size)
    for each, task in zip(settings, tasks, strict=True):
        title = f"{each['run']['task']}, T={task.T}"
        sequences = sequence_tracks(task, task.train_batch(0).select(slice(options.n)))
        if options.png is not None:
            _save(Path(options.png) / f"{each['run']['task']}.png", title, sequences, options.steps)
            continue
        print_line(console, title, style="bold")
        for sequence in sequences:
            print_strip(sequence, console, options.steps)
            console.print()
    return 0


def _save(path: Path, title: str, sequences: "Sequence[SequenceTracks]", steps: int) -> None:
    from longlag.show.picture import save_picture

    try:
        save_picture(sequences, title, path, steps)
    except OSError as error:
        raise RequestError(f"--png: cannot write {path}: {error.strerror}") from error
    print(path)
