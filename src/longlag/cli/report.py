"""``longlag report``: a page that compares runs, from their folders."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from longlag.api.study import load_study
from longlag.cli.arguments import CommandParser
from longlag.errors import RequestError
from longlag.report.only import only
from longlag.runs import RunRecord
from longlag.runs.files import write_whole
from longlag.terminal import print_warning

#: The formats of the figures, and what is said of them.
_KINDS = {
    "pdf": "as PDF with its fonts",
    "svg": "as SVG",
    "png": "as PNG with 300 dots an inch",
}
_NARROWEST, _WIDEST = 50, 1000  # mm


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag report`` and return its exit code.

    Raises:
        RequestError: the request was wrong, there is no run, or the page cannot be written.

    """
    options = _parser().parse_args(list(arguments))
    _check_figures(options)
    page = _place(options.out, options.folders)
    records = only(load_study(options.folders, print_warning).records, options.only)

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
    _save_figures(records, options, warn_once)
    return 0


def _parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser(
        "report",
        "Write one HTML file that compares runs: a table to sort and filter, curves with bands over seeds, the error"
        " flow of chosen runs, solve rates, parallel coordinates, differences in the settings. The file needs no"
        " network and opens with a double click. Unfinished and failed runs are shown with their state.",
        [
            "longlag report outputs/first",
            "longlag report outputs/first outputs/second --out both.html",
            "longlag report outputs/first --only cell=lstm T=20,60 --pdf figures --width 85",
        ],
    )
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="a study, such as outputs/first, or a single run")
    parser.add_argument(
        "--out", metavar="FILE", help="the page; default: FOLDER/report.html, or ./report.html for several folders"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="of the runs, those with these values, such as cell=lstm,rnn T=60 optimizer.lr=0.01 state=solved",
    )
    for kind, what in _KINDS.items():
        parser.add_argument(
            f"--{kind}", metavar="DIR", help=f"also save the figures for a paper in this folder, {what}"
        )
    parser.add_argument(
        "--width",
        metavar="MM",
        type=float,
        help="of the figures, in mm; default: 140, and more where there are many panels",
    )
    parser.add_argument(
        "--caption", action="store_true", help="write the small print into the figures too, not only into captions.md"
    )
    return parser


def _check_figures(options: argparse.Namespace) -> None:
    """Check the options of the figures.

    Raises:
        RequestError: a folder is a file, the width is none, or an option has no figures to act on.

    """
    folders = {kind: folder for kind in _KINDS if (folder := getattr(options, kind)) is not None}
    for kind, folder in folders.items():
        if Path(folder).exists() and not Path(folder).is_dir():
            raise RequestError(f"--{kind}: {folder} is a file; a folder is wanted")
    if options.width is not None and not _NARROWEST <= options.width <= _WIDEST:
        raise RequestError(f"--width: {options.width:g} mm; from {_NARROWEST} to {_WIDEST} mm is wanted")
    if not folders and (options.width is not None or options.caption):
        raise RequestError("--width and --caption are of the figures: name a folder with --pdf, --svg or --png")


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


def _save_figures(records: Sequence[RunRecord], options: argparse.Namespace, warn: Callable[[str], None]) -> None:
    """Save the figures in each format that is asked for, and print their paths, each once."""
    folders = {kind: Path(folder) for kind in _KINDS if (folder := getattr(options, kind)) is not None}
    if not folders:
        return
    from longlag.report.curves import read_curves
    from longlag.report.figures import Layout, save_figures

    curves, layout = read_curves(records, warn), Layout(options.width, options.caption)
    printed: set[Path] = set()
    for kind, folder in folders.items():
        try:
            for path in save_figures(curves, folder, kind, layout):
                if path not in printed:
                    print(path)
                printed.add(path)
        except OSError as error:
            raise RequestError(f"--{kind}: cannot write to {folder}: {error.strerror}") from error
