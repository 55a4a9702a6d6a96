"""``longlag runs``: a table of runs, from their folders."""

import csv
import json
import sys
from collections.abc import Sequence

from longlag.api.study import load_study
from longlag.cli.arguments import CommandParser
from longlag.report.records import flat_row
from longlag.report.table import print_runs
from longlag.terminal import print_warning, stdout_console


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag runs`` and return its exit code.

    Raises:
        RequestError: the request was wrong, or there is no run.

    """
    parser = CommandParser(
        "runs",
        "Print a table of the runs in one or several studies, and how often each setting was solved. Unfinished and"
        " failed runs are shown with their state.",
        ["longlag runs outputs/first", "longlag runs outputs/* --csv > runs.csv"],
    )
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="a study, such as outputs/first, or a single run")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print all settings and metrics of each run, as JSON")
    form.add_argument("--csv", action="store_true", help="print the same as CSV, one row for each run")
    options = parser.parse_args(list(arguments))
    records = load_study(options.folders, print_warning).records
    rows = [flat_row(record) for record in records] if options.json or options.csv else []
    if options.json:
        print(json.dumps(rows, indent=2, default=str))
    elif options.csv:
        columns = dict.fromkeys(key for row in rows for key in row)
        writer = csv.DictWriter(sys.stdout, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        print_runs(records, stdout_console())
    return 0
