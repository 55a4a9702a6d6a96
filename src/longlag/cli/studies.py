"""The runs that the folders on a command line hold."""

import sys
from collections.abc import Sequence
from pathlib import Path

from longlag.cli.requests import RequestError
from longlag.runs import RunRecord, read_run, read_study


def runs_in(folders: Sequence[str]) -> list[RunRecord]:
    """Return the runs of studies or of single runs, each once; what is neither costs a line of warning.

    Raises:
        RequestError: there is no run, the only folder that was named is none, or one cannot be read.

    """
    records = [record for folder in folders for record in _read(Path(folder), alone=len(folders) == 1)]
    found = list({record.folder.path.resolve(): record for record in records}.values())
    if not found:
        raise RequestError(f"no run in {', '.join(folders)}")
    return found


def warn(message: str) -> None:
    """Say in a line on stderr what is not as it should be."""
    print(f"longlag: {message}", file=sys.stderr)


def _read(folder: Path, alone: bool) -> list[RunRecord]:
    """Return the runs of a study, or the one that the folder is.

    Raises:
        RequestError: the only folder that was named is none, or cannot be read.

    """
    if not folder.is_dir():
        if alone:
            raise RequestError(f"{folder} is no folder")
        warn(f"{folder} is no folder")
        return []
    try:
        record = read_run(folder)
        return [record] if record is not None else read_study(folder, warn)
    except OSError as error:
        raise RequestError(f"cannot read {folder}: {error.strerror}") from error
