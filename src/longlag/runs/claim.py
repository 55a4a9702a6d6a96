"""The claim on a run folder: who is at it, so that no run is made twice at the same time."""

import contextlib
import fcntl
import json
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from longlag.runs.files import write_whole

_BEAT_S = 10.0  # how often an owner says that it is still there
_SILENT_S = 90.0  # how long one on another machine may be silent until it counts as dead


@dataclass(frozen=True)
class Owner:
    """Who holds a claim.

    Args:
        host: the machine.
        boot: of which start of the machine, as far as it tells.
        pid: the process.
        born: when the process was started, in the machine's own ticks, as far as it tells; another process may have
            the same number later.
        token: tells two claims apart.

    """

    host: str
    boot: str
    pid: int
    born: str
    token: str

    @classmethod
    def me(cls) -> "Owner":
        """Return this process."""
        return cls(socket.gethostname(), _boot(), os.getpid(), _born(os.getpid()), secrets.token_hex(8))


class HeldError(Exception):
    """Somebody else is at the run.

    Args:
        owner: who.

    """

    def __init__(self, owner: Owner) -> None:
        super().__init__(f"process {owner.pid} on {owner.host}")
        self.owner = owner


class Claim:
    """A claim on a folder, which no other process gets while this one lives.

    It is a file, ``claim.json``. It counts as long as its owner lives: on this machine that is known from the process;
    on another, which shares the disk, from the time of the file, which the owner renews. Reading and taking it is one
    step under a lock of the file system.

    Args:
        folder: the folder; it must be there.

    Raises:
        HeldError: another process holds it.

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
        """Give it up."""
        self.release()

    def release(self) -> None:
        """Give it up, unless it has been given to somebody else."""
        self._ended.set()
        self._beat.join()
        if _read(self.path) == self.owner:
            self.path.unlink(missing_ok=True)

    def _beats(self) -> None:
        while not self._ended.wait(_BEAT_S):
            with contextlib.suppress(OSError):
                os.utime(self.path)


def holder_of(folder: Path) -> Owner | None:
    """Return who is at the run in a folder, if anybody is; a dead owner is nobody."""
    path = folder / "claim.json"
    owner = _read(path)
    if owner is None:
        return None
    if (owner.host, owner.boot) == (socket.gethostname(), _boot()):
        return owner if _lives(owner) else None
    if owner.host == socket.gethostname():  # it was started anew since then
        return None
    return owner if _age(path) < _SILENT_S else None


def _read(path: Path) -> Owner | None:
    try:
        return Owner(**json.loads(path.read_text()))
    except (OSError, TypeError, ValueError):  # none, or none of ours: files are written whole
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
    """Return how many seconds ago a file was written, by the clock of its disk, which need not be the machine's."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".clock.") as clock:
            return os.fstat(clock.fileno()).st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock that the kernel takes away when the process ends."""
    with (folder / ".claim.lock").open("w") as lock:
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
