"""The status of a run: what it is doing, or how it ended."""

import os
import socket
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

State = Literal["running", "solved", "done", "diverged", "failed", "interrupted", "paused"]

#: The states of a run that has nothing left to do. ``done``: it used all its steps and is not solved.
FINISHED: frozenset[State] = frozenset({"solved", "done", "diverged"})


@dataclass(frozen=True)
class Status:
    """The content of ``status.json``: the state of a run, and the facts that one needs to trust its numbers.

    Args:
        state: the state; of a run that has ended, how it ended. ``paused``: its time budget is used, and the same
            command goes on with it.
        reason: the reason, where there is more to say.
        step: the optimizer steps taken.
        started: the time of the start, UTC.
        ended: the time of the end, UTC; ``None`` while the run goes on.
        host: the machine.
        pid: the process.
        command: the command line.
        engine: the engine that ran the cells, and never ``auto``; empty before the first step.
        engine_level: the processor's instructions that the engine used, such as ``avx512``, where it has a choice.
        engine_why: the reason against a faster engine, where it is a fault of the machine.
        processor: its name.
        threads: of torch, in each process.
        commit: of the reader's own repository in the folder of the command; ``None`` if there is none.
        clean: whether no tracked file differed from this commit.
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
    command: str = ""
    engine: str = ""
    engine_level: str | None = None
    engine_why: str | None = None
    processor: str = ""
    threads: int = 0
    commit: str | None = None
    clean: bool | None = None
    versions: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.state not in get_args(State):
            raise ValueError(f"state must be one of {', '.join(get_args(State))}; got {self.state!r}")

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.state in FINISHED

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain containers."""
        return asdict(self)


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
