"""What a logger knows about a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from longlag.runs import RunFolder


@dataclass(frozen=True)
class RunInfo:
    """What a logger knows about a run.

    Args:
        folder: where it writes.
        config: its settings, plain containers.
        name: for a person to read.
        setting: names what the run shares with those that differ from it in the seed alone.
        study: the grid that it belongs to.
        tags: the cell and the task.
        resume_at: the step from which it goes on; ``None`` for a new run.
        best_is: of which metrics W&B keeps the best value: ``val/acc`` -> ``max``.

    """

    folder: RunFolder
    config: dict[str, Any]
    name: str
    setting: str
    study: str
    tags: tuple[str, ...]
    resume_at: int | None = None
    best_is: Mapping[str, Literal["max", "min"]] = field(default_factory=dict)
