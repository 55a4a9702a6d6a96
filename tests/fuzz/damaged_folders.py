"""The files of a run folder, damaged in every way, and the commands that read them."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from odd_requests import SMALL

RUN = ("train", *SMALL, "stop_when_solved=false")
_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path) -> None:
    outside = path.parent.parent / "outside"
    outside.write_text("somebody's file\n")
    path.unlink()
    path.symlink_to(outside)


def _written(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "a folder": _folder,
    "a link to nowhere": lambda path: (path.unlink(), path.symlink_to("nowhere")),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
    "a link to a file outside": _link,
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "cut in the middle": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": _written(b""),
    "zeros": _written(b"\0" * 1000),
    "not UTF-8": _written(b"\xff\xfe\xfa"),
    "a list": _written(b"[1, 2]\n"),
    "a number": _written(b"7\n"),
    "a huge number": _written(b'{"pid": 1e400, "seed": 1' + b"0" * 5000 + b"}\n"),
    "other types": _written(b'{"state": 3, "pid": "x", "run": [], "cell": 1, "format": {}, "segments": 4}\n'),
    "deep": _written(b"[" * 100_000),
    "an alias bomb": _written(_BOMB.encode()),
}
COMMANDS = (
    ("runs", "outputs/default"),
    ("report", "outputs/default"),
    ("publish", "outputs/default", "--dry-run"),
    ("jacobian", "outputs/default/{run}"),
    ("train", "resume=outputs/default/{run}"),
    RUN,
)


def files(run: Path) -> list[str]:
    """Return the files of a run folder, by their paths in it."""
    return sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and "wandb" not in path.parts)


def damaged(sound: Path, file: str, damage: str, folder: Path) -> str:
    """Copy a folder with outputs, damage one file of its run, and return the name of the run."""
    shutil.copytree(sound, folder, symlinks=True)
    (run,) = (path for path in (folder / "outputs" / "default").iterdir() if path.is_dir())
    DAMAGES[damage](run / file)
    return run.name


def cases(run: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield a file, a damage and a command."""
    for file in files(run):
        for damage in DAMAGES:
            for command in COMMANDS:
                yield file, damage, command
