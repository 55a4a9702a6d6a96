"""Wrong requests: one line that names the fault and the right form."""

import difflib
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path

_OURS = str(Path(__file__).parent)
_PYTHONS = sysconfig.get_paths()["stdlib"]


class RequestError(Exception):
    """The request was wrong; the message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


def near(name: str, known: Iterable[str]) -> list[str]:
    """Return the keys that ``name`` may have been meant to be, nearest first."""
    keys = sorted(key for key in known if not key.rsplit(".", 1)[-1].startswith("_"))
    last = name.rsplit(".", 1)[-1]
    same = [key for key in keys if key.rsplit(".", 1)[-1] == last]
    top = f"{name.split('.')[0]}."
    beside = [key for key in keys if key.startswith(top)] or keys  # nothing like cell.blocks is elsewhere than in cell
    close = difflib.get_close_matches(name, beside, n=3, cutoff=0.7)
    leaves = difflib.get_close_matches(last, {key.rsplit(".", 1)[-1] for key in beside}, n=2, cutoff=0.75)
    return list(dict.fromkeys([*same, *close, *(key for key in beside if key.rsplit(".", 1)[-1] in leaves)]))[:4]


def place_of(error: BaseException) -> str:
    """Return where the code of a reader raised an error, as ``my_cells.py, line 12``; empty if it did not."""
    frames: list[traceback.FrameSummary] = []
    while True:
        frames += traceback.extract_tb(error.__traceback__)
        if error.__cause__ is None:
            break
        error = error.__cause__
    for frame in reversed(frames):
        path = Path(frame.filename)
        installed = "site-packages" in path.parts or "dist-packages" in path.parts
        if not installed and not frame.filename.startswith((_OURS, _PYTHONS, "<")):
            here = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
            return f"{here}, line {frame.lineno}"
    return ""


def described(error: BaseException) -> str:
    """Return the type and the message of an error in one line, with the place where a reader's code raised it."""
    place, message = place_of(error), " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {message}{f' ({place})' if place else ''}"
