"""``longlag reproduce``: the published rows of a paper beside our trials."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from longlag.cli.arguments import CommandParser
from longlag.errors import RequestError
from longlag.terminal import print_line, print_table, print_warning, stdout_console

if TYPE_CHECKING:
    from longlag.papers import Comparison, PublishedRow

_KEYS = ("rows", "trials", "output_dir")


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag reproduce`` and return its exit code.

    Raises:
        RequestError: the request was wrong, or the table cannot be written.

    """
    parser = CommandParser(
        "reproduce",
        "Run the trials of the published rows of a paper, each as it was published, and print what was published beside"
        " what came out, with a verdict by a rule that stands under the table. Trials that have ended are not run"
        " again. The table is written as Markdown and JSON too, into OUTPUT_DIR/PAPER.",
        ["longlag reproduce hochreiter1997", "longlag reproduce hochreiter1997 rows=3a,6a trials=4"],
    )
    parser.add_argument("paper", metavar="PAPER", help="such as hochreiter1997")
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="KEY=VALUE",
        help="rows=3a,6a: rows by the beginnings of their names (all); trials=N: seeds 0 to N - 1 (as published);"
        " output_dir=… (outputs)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print what would run, and run nothing")
    parser.add_argument("--table", action="store_true", help="run nothing: the table of the trials that have ended")
    options = parser.parse_intermixed_args(list(arguments))
    settings = _settings(options.settings)

    from longlag.papers import read_paper, selected

    rows = read_paper(options.paper)
    if "rows" in settings:
        rows = selected(rows, settings["rows"].split(","))
    counts = [_trials(settings["trials"]) if "trials" in settings else row.trials for row in rows]
    output_dir = settings.get("output_dir", "outputs")
    if options.dry_run:
        _forecast(options.paper, rows, counts, output_dir)
        return 0
    failed = [] if options.table else _run(options.paper, rows, counts, output_dir)
    _print(options.paper, rows, counts, output_dir)
    return 1 if failed else 0


def _settings(words: Sequence[str]) -> dict[str, str]:
    """Return the settings by their keys.

    Raises:
        RequestError: a word is none of them, or a key comes twice.

    """
    settings: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in _KEYS or not value:
            raise RequestError(f"longlag reproduce takes rows=…, trials=… and output_dir=…, got {word!r}")
        if key in settings:
            raise RequestError(f"{key} is given twice")
        settings[key] = value
    return settings


def _trials(text: str) -> int:
    """Return the number of trials.

    Raises:
        RequestError: it is no positive integer.

    """
    if not text.isdecimal() or int(text) < 1:
        raise RequestError(f"trials must be a positive integer, got {text!r}")
    return int(text)


def _forecast(paper: str, rows: "Sequence[PublishedRow]", counts: Sequence[int], output_dir: str) -> None:
    """Print which trials are missing, and the command that runs them."""
    from longlag.papers.trials import command, missing

    console, seen = stdout_console(), set()
    for row, count in zip(rows, counts, strict=True):
        if row.experiment in seen:
            continue
        seen.add(row.experiment)
        left = len(missing(paper, row, count, output_dir))
        print_line(console, f"{row.experiment}: {left} of {count} trials to run")
        if left:
            print_line(console, f"  {shlex.join(['longlag', *command(paper, row, count, output_dir)])}")


def _run(paper: str, rows: "Sequence[PublishedRow]", counts: Sequence[int], output_dir: str) -> list[str]:
    """Run what is missing, row after row; return the experiments of which a trial did not end."""
    from longlag.papers import run_missing

    console, failed = Console(stderr=True), []
    for number, (row, count) in enumerate(zip(rows, counts, strict=True), start=1):
        print_line(console, f"[row {number} of {len(rows)}] {row.name}: {count} trials")
        code = run_missing(paper, row, count, output_dir)
        if code == 2:
            raise RequestError(f"{row.name}: its experiment cannot run; see above")
        if code:
            failed.append(row.experiment)
    return failed


def _print(paper: str, rows: "Sequence[PublishedRow]", counts: Sequence[int], output_dir: str) -> None:
    """Print the table, and write it as Markdown and JSON.

    Raises:
        RequestError: it cannot be written.

    """
    from longlag.papers import RULE, as_json, as_markdown, cells_of, compared, read_trials
    from longlag.papers.tables import HEADINGS
    from longlag.runs.files import write_whole

    comparisons: list[Comparison] = [
        compared(row, read_trials(paper, row, count, output_dir, print_warning), count)
        for row, count in zip(rows, counts, strict=True)
    ]
    console = stdout_console()
    print_table(HEADINGS, [cells_of(each) for each in comparisons], console, left=("row", "verdict"))
    print_line(console, f"\n{RULE}")
    folder = Path(output_dir) / paper
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("table.md", as_markdown(paper, comparisons)), ("table.json", as_json(paper, comparisons))):
            write_whole(folder / name, text)
            print_line(console, str(folder / name))
    except OSError as error:
        raise RequestError(f"cannot write to {folder}: {error.strerror}") from error
