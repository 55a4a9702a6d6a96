"""``longlag test``: trained runs at other lags than their own."""

import csv
import io
import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longlag.api.run import Run
from longlag.api.study import load_study
from longlag.cli.arguments import CommandParser, add_trust
from longlag.errors import RequestError
from longlag.runs.files import write_whole
from longlag.settings.compose import value_of
from longlag.terminal import print_line, print_warning, stdout_console

if TYPE_CHECKING:
    from longlag.other_lags import AtLag

_MOST = 10**6


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag test`` and return its exit code.

    Raises:
        RequestError: the request was wrong, or no run could be tested.

    """
    options = _parser().parse_intermixed_args(list(arguments))
    lags, folders = _lags_and_folders(options.words)
    if lags and options.times:
        raise RequestError("task.T and --times both say the lags; type one of them")
    factors = _factors(options.times) if options.times else []
    if not lags and not factors:
        raise RequestError("no lags: type task.T=100,200 or --times 1,2,5,10")
    if not 1 <= options.sequences <= _MOST:
        raise RequestError(f"--sequences must be an integer from 1 to {_MOST:,}, got {options.sequences}")
    runs = list(load_study(folders, print_warning, options.trust))
    rows = _rows(runs, lags, factors, options)
    if not rows:
        raise RequestError("no run could be tested")
    folder = Path(options.out) if options.out is not None else _place(runs)
    paths = [folder / f"{_name(runs)}.{ending}" for ending in ("csv", "json", "png")]
    _write(rows, *paths)
    if options.json:
        print(json.dumps(rows, indent=1, allow_nan=False))
        return 0
    _print(rows, paths, multiples=bool(factors))
    return 0


def _parser() -> CommandParser:
    parser = CommandParser(
        "test",
        "Test trained runs at other lags: accuracy, loss and the task's criterion on fresh test sequences, and the"
        " error flow there. One run gives a table of its figures, several a map of trained lag × tested lag. Beside"
        " the runs are written other_lags.csv, other_lags.json and other_lags.png (for one run with its name before).",
        ["longlag test outputs/first/RUN task.T=60,120,300", "longlag test outputs/first --times 1,2,5,10"],
    )
    parser.add_argument(
        "words", nargs="+", metavar="FOLDER", help="runs or studies; and task.T=60,120, the lags to test at"
    )
    parser.add_argument(
        "--times", metavar="K,K", help="instead of task.T: multiples of the lag of each run, such as 1,2,5"
    )
    parser.add_argument(
        "--checkpoint",
        choices=("last", "best", "init"),
        default="last",
        help="the weights: those of the last checkpoint (the default), of the best one, or those before training",
    )
    parser.add_argument("--sequences", type=int, default=256, help="the number of test sequences at each lag (256)")
    parser.add_argument("--no-flow", action="store_true", help="leave out the error flow, which takes most of the time")
    parser.add_argument("--out", metavar="DIR", help="where to write; default: the study, or here for several of them")
    parser.add_argument("--json", action="store_true", help="print all figures of each run and lag, as JSON")
    add_trust(parser)
    return parser


def _lags_and_folders(words: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return the lags and the folders among the words.

    Raises:
        RequestError: a setting other than ``task.T`` is there, a lag is no positive integer, or there is no folder.

    """
    lags: list[int] = []
    folders = []
    for word in words:
        key, equals, _ = word.partition("=")
        if key == "task.T" and equals:
            value = value_of(word)
            lags += value if isinstance(value, list) else [value]
        elif equals and not Path(word).exists():
            raise RequestError(f"longlag test changes task.T alone, got {word!r}")
        else:
            folders.append(word)
    for T in lags:
        if isinstance(T, bool) or not isinstance(T, int) or not 1 <= T <= _MOST:
            raise RequestError(f"task.T must be integers from 1 to {_MOST:,}, got {T!r}")
    if not folders:
        raise RequestError("no folder: name a run or a study, such as outputs/first")
    return list(dict.fromkeys(lags)), folders


def _factors(text: str) -> list[float]:
    try:
        factors = [float(part) for part in text.split(",")]
    except ValueError:
        factors = [0.0]
    if not all(0 < factor <= 1000 for factor in factors):
        raise RequestError(f"--times must be numbers above 0 and at most 1000, such as 1,2,5, got {text!r}")
    return factors


def _rows(
    runs: Sequence[Run], lags: Sequence[int], factors: Sequence[float], options: Namespace
) -> list[dict[str, Any]]:
    """Return the figures of each run at each lag. Warn of each run that cannot be tested, and leave this run out.

    Raises:
        RequestError: the only run cannot be tested, or a lag is one that no task takes.

    """
    from rich.console import Console

    drawn: dict[str, AtLag] = {}
    rows: list[dict[str, Any]] = []
    with Console(stderr=True).status("") as status:  # visible in a terminal only
        for number, one in enumerate(runs, start=1):
            status.update(f"run {number} of {len(runs)}")
            own = one.record.config["run"].get("T")
            times = [max(1, round(own * factor)) for factor in factors] if isinstance(own, int) else []
            try:
                rows += _of_run(one, list(dict.fromkeys([*lags, *times])), drawn, options)
            except RequestError as error:
                if len(runs) == 1:
                    raise
                print_warning(f"{one.path}: {error}; it is left out")
    return rows


def _of_run(one: Run, lags: Sequence[int], drawn: "dict[str, AtLag]", options: Namespace) -> list[dict[str, Any]]:
    from longlag.other_lags import AtLag, figures_at
    from longlag.settings.memory import check_draw

    model, step = one.model(options.checkpoint), one.step(options.checkpoint)
    facts = {key: one.settings["run"].get(key) for key in ("cell", "task", "forget_bias", "seed")}
    rows = []
    for T in lags:
        key = json.dumps([one.settings["task"], T], sort_keys=True, default=str)
        if key not in drawn:
            task = one.task_at(T)
            check_draw(task, "test", min(task.chunk_size, options.sequences))
            if len(drawn) >= 32:  # the sequences of some seeds: runs of one setting come seed by seed
                drawn.pop(next(iter(drawn)))
            drawn[key] = AtLag.drawn(task, options.sequences, flow=not options.no_flow)
        figures = figures_at(model, drawn[key])
        finite = {name: _finite(value) for name, value in figures.items()}
        rows.append({
            "run": str(one.path), **facts, "trained_T": one.settings["run"].get("T"), "tested_T": T,
            "checkpoint": options.checkpoint, "step": step, "sequences": options.sequences, **finite,
        })  # fmt: skip
    return rows


def _finite(value: Any) -> Any:
    """Return a value as JSON holds it: an infinite half-life, of a gradient that does not fall, is a word."""
    if isinstance(value, float) and value == float("inf"):
        return "inf"
    return None if isinstance(value, float) and value != value else value


def _place(runs: Sequence[Run]) -> Path:
    """Return the study of all runs, or the current folder if they are of several."""
    studies = {one.path.parent for one in runs}
    return studies.pop() if len(studies) == 1 else Path()


def _name(runs: Sequence[Run]) -> str:
    """Return the name of the files: those of one run do not take the place of those of its study."""
    return "other_lags" if len(runs) > 1 else f"{runs[0].path.resolve().name}.other_lags"


def _write(rows: Sequence[dict[str, Any]], table: Path, plain: Path, picture: Path) -> None:
    """Write the table as CSV and JSON, and the figure.

    Raises:
        RequestError: a file cannot be written.

    """
    from longlag.other_lags.picture import save_other_lags

    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    try:
        write_whole(table, text.getvalue())
        write_whole(plain, json.dumps(rows, indent=1, allow_nan=False) + "\n")
        save_other_lags(rows, picture)
    except OSError as error:
        raise RequestError(f"cannot write to {table.parent}: {error.strerror}") from error


def _print(rows: Sequence[dict[str, Any]], paths: Sequence[Path], multiples: bool) -> None:
    from longlag.other_lags.table import print_map, print_run

    console = stdout_console(width=80)
    if len({row["run"] for row in rows}) == 1:
        first = rows[0]
        weights = (
            "the weights of the seed" if first["step"] is None else f"{first['checkpoint']}.ckpt, step {first['step']}"
        )
        print_line(console, f"{first['cell']} {first['task']}, trained at T={first['trained_T']}, {weights}", "bold")
        print_run(rows, console)
    else:
        print_line(console, "mean accuracy, and the runs that meet the task's criterion, at each tested T")
        print_map(rows, console, multiples)
    print_line(console, "")
    for path in paths:
        print_line(console, str(path))
