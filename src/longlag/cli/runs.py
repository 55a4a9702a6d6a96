"""``longlag runs``: the table of what ran, from the run folders."""

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from longlag.cli.arguments import CommandParser
from longlag.cli.requests import RequestError
from longlag.report.table import flat_row, print_runs
from longlag.runs import RunRecord, read_run, read_study


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag runs`` and return its exit code.

    Raises:
        RequestError: the request was wrong, or there is no run.

    """
    parser = CommandParser(
        "runs",
        "The table of the runs in one or several studies, and how often each setting was solved. A run that is still"
        " going, or that failed, is shown as what it is.",
        ["longlag runs outputs/first", "longlag runs outputs/* --csv > runs.csv"],
    )
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="a study, such as outputs/first, or a single run")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="all settings and figures of each run, as JSON")
    form.add_argument("--csv", action="store_true", help="the same as CSV, a row a run")
    options = parser.parse_args(list(arguments))
    records = [record for folder in options.folders for record in _read(Path(folder), alone=len(options.folders) == 1)]
    found = list({record.folder.path.resolve(): record for record in records}.values())
    if not found:
        raise RequestError(f"no run in {', '.join(options.folders)}")
    rows = [flat_row(record) for record in found] if options.json or options.csv else []
    if options.json:
        print(json.dumps(rows, indent=2, default=str))
    elif options.csv:
        columns = dict.fromkeys(key for row in rows for key in row)
        writer = csv.DictWriter(sys.stdout, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        print_runs(found, Console() if sys.stdout.isatty() else Console(width=200))
    return 0


def _read(folder: Path, alone: bool) -> list[RunRecord]:
    """Return the runs of a study, or the one that the folder is; what is neither costs a line of warning.

    Raises:
        RequestError: the only folder that was named is none, or cannot be read.

    """
    if not folder.is_dir():
        if alone:
            raise RequestError(f"{folder} is no folder")
        _warn(f"{folder} is no folder")
        return []
    try:
        record = read_run(folder)
        return [record] if record is not None else read_study(folder, _warn)
    except OSError as error:
        raise RequestError(f"cannot read {folder}: {error.strerror}") from error


def _warn(message: str) -> None:
    print(f"longlag: {message}", file=sys.stderr)
