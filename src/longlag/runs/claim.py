"""The claim on a run folder: one process at a time runs what is in it."""

import contextlib
import fcntl
import json
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from longlag.runs.files import open_file, write_whole
from longlag.runs.schema import DamagedRunError, ProcessId, read_json

_BEAT_S = 10.0  # between two signs of life of an owner
_SILENT_S = 90.0  # an owner on another machine counts as dead after this silence


@dataclass(frozen=True)
class Owner:
    """Who holds a claim.

    Args:
        host: the machine.
        boot: the start of the machine, where the system tells.
        pid: the process.
        born: the start of the process, in ticks of the machine, where the system tells; another process may get
            the same number later.
        token: differs between two claims.

    """

    host: str
    boot: str
    pid: ProcessId
    born: str
    token: str

    @classmethod
    def me(cls) -> "Owner":
        """Return this process."""
        return cls(socket.gethostname(), _boot(), os.getpid(), _born(os.getpid()), secrets.token_hex(8))


class HeldError(Exception):
    """Another process holds the claim.

    Args:
        owner: that process.

    """

    def __init__(self, owner: Owner) -> None:
        super().__init__(f"process {owner.pid} on {owner.host}")
        self.owner = owner


class Claim:
    """A claim on a folder; no other process gets it while this one lives.

    A claim is a file, ``claim.json``. It counts as long as its owner lives. On this machine the process tells; on
    another machine that shares the disk, the time of the file, which the owner renews. A lock of the file system makes
    reading and writing the file one step.

    Args:
        folder: the folder; it must be there.

    Raises:
        HeldError: another process holds the claim.

    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "claim.json"
        self.owner = Owner.me()
        with _locked(folder):
            holder = holder_of(folder)
            if holder is not None:
                raise HeldError(holder)
            write_whole(self.path, json.dumps(asdict(self.owner)) + "\n")
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._beats, daemon=True, name="claim")
        self._beat.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the claim up."""
        self.release()

    def release(self) -> None:
        """Give the claim up, unless another process has taken it over."""
        self._ended.set()
        self._beat.join()
        if _read(self.path) == self.owner:
            self.path.unlink(missing_ok=True)

    def _beats(self) -> None:
        while not self._ended.wait(_BEAT_S):
            with contextlib.suppress(OSError):
                os.utime(self.path, follow_symlinks=False)


def holder_of(folder: Path) -> Owner | None:
    """Return the living process that holds the claim on a folder; ``None`` if there is none."""
    path = folder / "claim.json"
    owner = _read(path)
    if owner is None:
        return None
    if (owner.host, owner.boot) == (socket.gethostname(), _boot()):
        return owner if _lives(owner) else None
    if owner.host == socket.gethostname():  # the machine has started anew since then
        return None
    return owner if _age(path) < _SILENT_S else None


def _read(path: Path) -> Owner | None:
    try:
        return read_json(path, Owner)
    except (FileNotFoundError, DamagedRunError):  # no file, or not one of ours: files are written whole
        return None


def _lives(owner: Owner) -> bool:
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _born(owner.pid) == owner.born


def _age(path: Path) -> float:
    """Return the age of a file in seconds, by the clock of its disk, which may differ from the machine's."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".clock.") as clock:
            now = os.fstat(clock.fileno()).st_mtime
    except OSError:  # a reader who cannot write to the folder has the clock of the machine alone
        now = time.time()
    try:
        return now - path.lstat().st_mtime
    except FileNotFoundError:
        return float("inf")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock; the kernel releases it when the process ends."""
    with open_file(folder / ".claim.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _born(pid: int) -> str:
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]  # starttime, field 22
    return ""
