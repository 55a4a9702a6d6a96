"""The state of one ``longlag train`` on its way through Hydra, whose parts cannot hand anything to each other."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from longlag.errors import RequestError

if TYPE_CHECKING:
    from longlag.jobs.job import Job
    from longlag.jobs.rehearsal import Rehearsal
    from longlag.settings.job_composer import JobComposer


@dataclass
class Session:
    """The state of one command.

    Args:
        dry: whether nothing is to run.
        here: whether the command was typed in this process; if not, this process runs one job of another one.
        composer: composes the jobs of a grid or a search.
        grid: the jobs of a grid by their overrides, in their order.
        rehearsal: the jobs that have been checked.
        folders: the folders of the jobs that are known, in their order.
        jobs: the number of jobs.
        at_once: the most jobs that train at once in a population; 1 if each trains alone.
        may_join: whether some jobs may form one, as far as is known ahead.
        formed: whether the line about the populations has been printed.
        study: the folder of a search's runs, which are not known ahead.
        best: the best settings of a search, in a line.
        started: the folders of the jobs that have started.
        refused: the error, if the command was a wrong request.
        interrupted: whether a signal has asked the command to stop.
        closing: closed at the end of the command.

    """

    dry: bool = False
    here: bool = False
    composer: "JobComposer | None" = None
    grid: dict[tuple[str, ...], "Job"] = field(default_factory=dict)
    rehearsal: "Rehearsal | None" = None
    folders: dict[Path, None] = field(default_factory=dict)
    jobs: int = 1
    at_once: int = 1
    may_join: bool = False
    formed: bool = False
    study: Path | None = None
    best: str | None = None
    started: list[Path] = field(default_factory=list)
    refused: RequestError | None = None
    interrupted: bool = False
    closing: ExitStack = field(default_factory=ExitStack)


_current = Session()


def begin(dry: bool = False) -> Session:
    """Begin a command."""
    global _current
    _current = Session(dry, here=True)
    return _current


def session() -> Session:
    """Return the state of the command that is running."""
    return _current
