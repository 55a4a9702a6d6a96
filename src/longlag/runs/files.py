"""Open, read and write the files of a run folder: whole or not at all, never through a link, never without a bound."""

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import IO, Any

#: The most bytes of a file of settings, of a status and the like; a run writes a few thousand.
MOST_RECORD = 4 << 20
#: The most bytes of a table of curves.
MOST_TABLE = 2 << 30


def open_file(path: Path, mode: str = "r") -> IO[Any]:
    """Open a file; text is UTF-8, with the line ends as they are.

    Args:
        path: the file.
        mode: as for :func:`open`.

    Raises:
        OSError: the file cannot be opened, or a symbolic link, a folder, a pipe or a device is at its place.

    """
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    return open(path, mode, opener=_opened, **text)  # type: ignore[call-overload,no-any-return]


def read_text(path: Path, most: int = MOST_RECORD, errors: str = "strict") -> str:
    """Read a file of text.

    Args:
        path: the file.
        most: the most bytes that the file may have.
        errors: what becomes of bytes that are no UTF-8, as for :meth:`bytes.decode`.

    Raises:
        OSError: the file cannot be opened, see :func:`open_file`.
        ValueError: the file is too large, or no UTF-8.

    """
    with open_file(path, "rb") as file:
        content: bytes = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most:,} bytes")
    return content.decode("utf-8", errors)


def write_whole(path: Path, content: str | bytes, durable: bool = True) -> None:
    """Write text or bytes to a temporary file beside ``path`` and rename this file: no reader ever sees half a file.

    A symbolic link at ``path`` is replaced, and the file that it leads to stays as it is.

    Args:
        path: the file.
        content: the content of the file.
        durable: whether to wait, some milliseconds, until the file is on the disk and survives a loss of power.

    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp gives 0o600
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def fault_of_file(path: Path) -> str | None:
    """Return what is at the place of a file and is no file, such as a link; ``None`` for a file, or for nothing."""
    return _fault(path, stat.S_IFREG)


def fault_of_folder(path: Path) -> str | None:
    """Return what is at the place of a folder and is no folder, such as a link; ``None`` for a folder, or nothing."""
    return _fault(path, stat.S_IFDIR)


def _fault(path: Path, wanted: int) -> str | None:
    try:
        kind = stat.S_IFMT(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error.strerror
    return None if kind == wanted else f"it is {_KINDS.get(kind, 'no file')}"


_KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder", stat.S_IFREG: "a file", stat.S_IFIFO: "a pipe"}


def _opened(path: str, flags: int) -> int:
    """Open a file for :func:`open`, without following a link and without waiting for the other end of a pipe."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        why = fault_of_file(Path(path))
        raise OSError(error.errno, why or error.strerror, path) from None
    kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
    if kind != stat.S_IFREG:
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"it is {_KINDS.get(kind, 'no file')}", path)
    return descriptor


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
