"""``longlag runs``: the table of what ran, from the run folders."""

import csv
import json
import sys
from collections.abc import Sequence

from rich.console import Console

from longlag.cli.arguments import CommandParser
from longlag.cli.studies import runs_in
from longlag.report.table import flat_row, print_runs


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
    found = runs_in(options.folders)
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
