"""The status of a run: what it is doing, or how it ended."""

import os
import socket
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from longlag.runs.schema import Count, ProcessId

State = Literal["running", "solved", "done", "diverged", "failed", "interrupted", "paused"]

#: The states of a run that has nothing left to do. ``done``: it used all its steps and is not solved.
FINISHED: frozenset[State] = frozenset({"solved", "done", "diverged"})


def in_words(state: str) -> str:
    """Return a state as a person reads it: ``done`` is ``not solved``."""
    return "not solved" if state == "done" else state


@dataclass(frozen=True)
class Segment:
    """The steps of a run that one engine has trained on one kind of processor.

    Args:
        from_step: the optimizer steps taken before.
        engine: the name of the engine.
        level: the processor's instructions that the engine used, where it has a choice.
        processor: its name.
        torch: the version of PyTorch.

    """

    from_step: int
    engine: str
    level: str | None = None
    processor: str = ""
    torch: str = ""

    def differs_from(self, other: "Segment") -> bool:
        """Return whether the numbers may differ in their last digits for another reason than the step."""
        return replace(self, from_step=0) != replace(other, from_step=0)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a plain mapping."""
        return asdict(self)

    @property
    def engine_and_level(self) -> str:
        """The engine with its level: ``native (avx512)``."""
        return self.engine if self.level is None else f"{self.engine} ({self.level})"

    def __str__(self) -> str:
        return f"engine={self.engine_and_level} on {self.processor} with torch {self.torch}"


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
        segments: which engine trained which steps, on which processor; several if the run went on elsewhere.
        processor: its name.
        threads: of torch, in each process.
        commit: of the reader's own repository in the folder of the command; ``None`` if there is none.
        clean: whether no tracked file differed from this commit.
        versions: of Python and the packages that decide the numbers.
        sources: the SHA-256 of the files that define the cell and the task.

    """

    state: State
    reason: str = ""
    step: Count = 0
    started: str = ""
    ended: str | None = None
    host: str = field(default_factory=socket.gethostname)
    pid: ProcessId = field(default_factory=os.getpid)
    command: str = ""
    engine: str = ""
    engine_level: str | None = None
    engine_why: str | None = None
    segments: tuple[Segment, ...] = ()
    processor: str = ""
    threads: Count = 0
    commit: str | None = None
    clean: bool | None = None
    versions: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.state not in get_args(State):
            raise ValueError(f"state must be one of {', '.join(get_args(State))}; got {self.state!r}")
        segments = tuple(each if isinstance(each, Segment) else Segment(**each) for each in self.segments)
        object.__setattr__(self, "segments", segments)  # from JSON they come as mappings

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
