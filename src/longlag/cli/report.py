"""``longlag report``: a page that compares runs, from their folders."""

from collections.abc import Callable, Sequence
from pathlib import Path

from longlag.api.study import load_study
from longlag.cli.arguments import CommandParser
from longlag.errors import RequestError
from longlag.runs import RunRecord
from longlag.runs.files import write_whole
from longlag.terminal import print_warning


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag report`` and return its exit code.

    Raises:
        RequestError: the request was wrong, there is no run, or the page cannot be written.

    """
    parser = CommandParser(
        "report",
        "Write one HTML file that compares runs: a table to sort and filter, curves with bands over seeds, the error"
        " flow of chosen runs, solve rates, parallel coordinates, differences in the settings. The file needs no"
        " network and opens with a double click. Unfinished and failed runs are shown with their state.",
        ["longlag report outputs/first", "longlag report outputs/first outputs/second --out both.html"],
    )
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="a study, such as outputs/first, or a single run")
    parser.add_argument(
        "--out", metavar="FILE", help="the page; default: FOLDER/report.html, or ./report.html for several folders"
    )
    parser.add_argument("--png", metavar="DIR", help="also save the figures for a paper in this folder")
    options = parser.parse_args(list(arguments))
    page = _place(options.out, options.folders)
    if options.png is not None and Path(options.png).exists() and not Path(options.png).is_dir():
        raise RequestError(f"--png: {options.png} is a file; a folder is wanted")
    records = load_study(options.folders, print_warning).records

    from longlag.report.page import build_page

    printed: set[str] = set()

    def warn_once(message: str) -> None:
        """Print a warning, once: the page and the figures read the same files."""
        if message not in printed:
            printed.add(message)
            print_warning(message)

    text = build_page(records, warn_once)
    try:
        write_whole(page, text)
    except OSError as error:
        raise RequestError(f"cannot write {page}: {error.strerror}") from error
    print(page)
    if options.png is not None:
        _save_figures(records, Path(options.png), warn_once)
    return 0


def _place(out: str | None, folders: Sequence[str]) -> Path:
    """Return the path of the page.

    Raises:
        RequestError: the folder is missing, or the path is a folder.

    """
    if out is None:
        alone = len(folders) == 1 and Path(folders[0]).is_dir()
        return Path(folders[0]) / "report.html" if alone else Path("report.html")
    page = Path(out)
    if page.is_dir():
        raise RequestError(f"--out: {page} is a folder; a file is wanted, such as {page / 'report.html'}")
    if not page.parent.is_dir():
        raise RequestError(f"--out: {page.parent} is no folder")
    return page


def _save_figures(records: Sequence[RunRecord], folder: Path, warn: Callable[[str], None]) -> None:
    from longlag.report.curves import read_curves
    from longlag.report.figures import save_figures

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in save_figures(read_curves(records, warn), folder):
            print(path)
    except OSError as error:
        raise RequestError(f"--png: cannot write to {folder}: {error.strerror}") from error
