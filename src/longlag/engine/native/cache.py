"""The cache of the native libraries. A library is code: none is loaded that another user may have put there or changed.

A library is loaded if it and its folder belong to this user or to root, if nobody else may write to them, and if its
bits are those of its digest, which lies beside it. Where others may write to the folder of the cache, as to one that a
team shares, each user has a folder of one's own inside. Anything else is built anew, and kept if a place is there.
"""

import contextlib
import ctypes
import hashlib
import os
import shutil
import stat
import tempfile
from io import BufferedReader
from pathlib import Path

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def cache_folder() -> Path | None:
    """Return the folder of the libraries: ``LONGLAG_CACHE``, or ``longlag`` in the user's folder for caches."""
    if named := os.environ.get("LONGLAG_CACHE"):
        return Path(named).absolute()  # the loader would search the system's folders for a bare name
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "longlag"
    except RuntimeError:  # a user who has no home
        return None


def kept_library(name: str) -> ctypes.CDLL | None:
    """Load a library of the cache.

    Args:
        name: of its file.

    Returns:
        The library; ``None`` if there is none that is whole, that nobody else can have made, and that this machine can
        load.

    """
    for folder in _folders():
        path = folder / name
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if not _is_ours(folder.stat()):
                continue
            with _opened(path) as file, _opened(path.with_suffix(".sha256")) as digest:
                if hashlib.file_digest(file, "sha256").hexdigest() == digest.read(100).decode():
                    return _loaded(file.fileno(), path)
    return None


def keep(made: Path) -> bool:
    """Put a library and its digest into the cache, whole or not at all; return whether that worked."""
    for folder in _folders():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not _is_ours(folder.stat()):
                continue
            with tempfile.TemporaryDirectory(prefix="building-", dir=folder) as building:
                whole = Path(shutil.copy(made, building))
                digest = whole.with_suffix(".sha256")
                digest.write_text(hashlib.sha256(made.read_bytes()).hexdigest())
                whole.chmod(0o755)  # whatever the umask says: a library that others may change is not loaded
                digest.chmod(0o644)
                digest.replace((folder / made.name).with_suffix(".sha256"))
                whole.replace(folder / made.name)
        except OSError:  # the folder is full, or may not be written to
            return False
        return True
    return False


def _folders() -> list[Path]:
    """Return where libraries may lie: in the folder of the cache, or in this user's own folder inside."""
    folder = cache_folder()
    return [] if folder is None else [folder, folder / f"user-{os.geteuid()}"]


def _is_ours(found: os.stat_result) -> bool:
    """Return whether a file or folder belongs to this user or to root, and nobody else may write to it."""
    return found.st_uid in (os.geteuid(), 0) and not found.st_mode & _OTHERS


def _opened(path: Path) -> BufferedReader:
    """Open a file that nobody else can have written.

    Raises:
        OSError: there is no such file.

    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode) or not _is_ours(found):
        file.close()
        raise PermissionError(f"{path} may be another user's")
    return file


def _loaded(descriptor: int, path: Path) -> ctypes.CDLL:
    """Load an open library: this very file, whatever lies at its path by now.

    Raises:
        OSError: this machine cannot load it.

    """
    stays_open = os.dup(descriptor)  # the loader takes two libraries of one name for the same
    name = f"/proc/self/fd/{stays_open}"
    try:
        return ctypes.CDLL(name if Path(name).exists() else str(path))
    except OSError:
        os.close(stays_open)
        raise
