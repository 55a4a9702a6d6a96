"""The messages between a command and its worker processes: a line of JSON each, through a pipe."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Order:
    """Sent to a worker: a job to run.

    Args:
        settings: of the run.
        folder: of the run.
        fresh: whether a run that is in the folder is set aside.
        place: the job's place in the grid, for its line.
        processes: the number of processes that the job wants.
        environment: variables that are set while the job runs.

    """

    settings: dict[str, Any]
    folder: str
    fresh: bool
    place: str
    processes: int
    environment: dict[str, str]


@dataclass(frozen=True)
class Ready:
    """The worker has started."""


@dataclass(frozen=True)
class Moved:
    """The run has come to a step.

    Args:
        step: the step.
        steps: the most steps; -1 if there is no limit.
        accuracy: at the latest validation; ``None`` before the first.

    """

    step: int
    steps: int
    accuracy: float | None


@dataclass(frozen=True)
class Said:
    """A line of longlag's own.

    Args:
        line: the line.

    """

    line: str


@dataclass(frozen=True)
class Printed:
    """A line that something else in the worker has printed.

    Args:
        line: the line.

    """

    line: str


@dataclass(frozen=True)
class Ended:
    """The run has ended.

    Args:
        state: its state.

    """

    state: str


@dataclass(frozen=True)
class Refused:
    """The job was a wrong request.

    Args:
        reason: the line for the reader.

    """

    reason: str


@dataclass(frozen=True)
class Raised:
    """An exception left the job outside of its run.

    Args:
        traceback: of the exception.

    """

    traceback: str


@dataclass(frozen=True)
class Died:
    """The worker's process has ended in the middle of a job.

    Args:
        reason: how it ended.

    """

    reason: str


Event = Ready | Moved | Said | Printed | Ended | Refused | Raised | Died
_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Ready, Moved, Said, Printed, Ended, Refused, Raised, Died)
}


def order_line(order: Order) -> str:
    """Return an order as the line that a worker reads."""
    return json.dumps(asdict(order))


def order_from_line(line: str) -> Order:
    """Read an order."""
    return Order(**json.loads(line))


def event_line(event: Event) -> str:
    """Return an event as the line that the command reads."""
    return json.dumps({"event": type(event).__name__, **asdict(event)})


def event_from_line(line: str) -> Event:
    """Read an event."""
    fields = json.loads(line)
    return _KINDS[fields.pop("event")](**fields)


def send(descriptor: int, event: Event) -> None:
    """Write an event to a pipe. A short one goes in one piece, whoever else writes at the same time."""
    line = (event_line(event) + "\n").encode()
    while line:
        line = line[os.write(descriptor, line) :]
