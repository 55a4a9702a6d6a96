"""The status of a run: what it is doing, or how it ended."""

import os
import socket
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

State = Literal["running", "solved", "done", "diverged", "failed", "interrupted"]

#: The states of a run that has nothing left to do. ``done``: it used all its steps and is not solved.
FINISHED: frozenset[State] = frozenset({"solved", "done", "diverged"})


@dataclass(frozen=True)
class Status:
    """What ``status.json`` holds.

    Args:
        state: what the run is doing, or how it ended.
        reason: why, where there is more to say.
        step: the optimizer steps taken.
        started: when, UTC.
        ended: when, UTC; ``None`` while it runs.
        host: where it runs or ran.
        pid: the process.
        versions: of Python and the packages that decide the numbers.
        sources: the SHA-256 of the files that define the cell and the task.

    """

    state: State
    reason: str = ""
    step: int = 0
    started: str = ""
    ended: str | None = None
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    versions: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.state not in get_args(State):
            raise ValueError(f"state must be one of {', '.join(get_args(State))}; got {self.state!r}")

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.state in FINISHED

    @property
    def alive(self) -> bool:
        """Whether a process of this machine is still at it; of another machine, whether its status says so."""
        if self.state != "running":
            return False
        if self.host != socket.gethostname():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return self.pid != os.getpid()

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain containers."""
        return asdict(self)


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
