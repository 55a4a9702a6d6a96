"""What one ``longlag train`` has met on its way through Hydra, which hands nothing from one of its parts to another."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from longlag.cli.requests import RequestError

if TYPE_CHECKING:
    from longlag.cli.jobs import Job
    from longlag.cli.workers import Worker


@dataclass
class Session:
    """One command.

    Args:
        dry: whether nothing is to be run.
        here: whether the command was typed in this process; if not, it runs a job of a launcher in another one.
        grid: all jobs of a grid, in their order.
        planned: the jobs of a grid, as far as they are known ahead; each run once.
        folders: of the jobs that are known, in their order.
        jobs: how many there are.
        study: the folder of a search's runs, which are not known ahead.
        found: what a search has found, in a line.
        started: the folders of those that have been started.
        refused: why the command was refused, if it was.
        spares: workers that were started before it was known what they are to do.
        closing: what is to be closed when the command ends.

    """

    dry: bool = False
    here: bool = False
    grid: list["Job"] = field(default_factory=list)
    planned: list["Job"] = field(default_factory=list)
    folders: dict[Path, None] = field(default_factory=dict)
    jobs: int = 1
    study: Path | None = None
    found: str | None = None
    started: list[Path] = field(default_factory=list)
    refused: RequestError | None = None
    spares: list["Worker"] = field(default_factory=list)
    closing: ExitStack = field(default_factory=ExitStack)


_current = Session()


def begin(dry: bool = False) -> Session:
    """Begin a new one."""
    global _current
    _current = Session(dry, here=True)
    return _current


def session() -> Session:
    """Return the one that is going on."""
    return _current
