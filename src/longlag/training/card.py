"""What the loggers are told about a run."""

from dataclasses import dataclass
from typing import Any

from longlag.runs import RunFolder


@dataclass(frozen=True)
class RunCard:
    """What a logger is told about a run.

    Args:
        folder: where it writes.
        config: its settings, plain containers.
        name: for a person to read.
        study: the grid that it belongs to.
        tags: the cell and the task.
        resume_at: the step from which it goes on; ``None`` for a new run.

    """

    folder: RunFolder
    config: dict[str, Any]
    name: str
    study: str
    tags: tuple[str, ...]
    resume_at: int | None = None
