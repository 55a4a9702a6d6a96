"""The messages between a command and its worker processes: a line of JSON each, through a pipe."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class OrderedJob:
    """A job of an order.

    Args:
        settings: of the run.
        folder: of the run.
        fresh: whether a run that is in the folder is set aside.
        place: the job's place in the grid, for its line.

    """

    settings: dict[str, Any]
    folder: str
    fresh: bool
    place: str


@dataclass(frozen=True)
class Order:
    """Sent to a worker: a job to run, or several that train as one population.

    Args:
        jobs: the job, or the members of the population; events name a member by its place in this list.
        processes: the number of processes that a job alone wants.
        environment: variables that are set while they run.
        at_once: the most members that train at once.
        fail_fast: whether a population stops at the first member that fails.

    """

    jobs: list[OrderedJob]
    processes: int
    environment: dict[str, str]
    at_once: int = 1
    fail_fast: bool = False


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
        member: the number of the job in the order, as in the events that follow.

    """

    step: int
    steps: int
    accuracy: float | None
    member: int = 0


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
        member: the number of the job.

    """

    state: str
    member: int = 0


@dataclass(frozen=True)
class Refused:
    """The job was a wrong request.

    Args:
        reason: the line for the reader.
        member: the number of the job.

    """

    reason: str
    member: int = 0


@dataclass(frozen=True)
class Raised:
    """An exception left the job outside of its run.

    Args:
        traceback: of the exception.
        member: the number of the job.

    """

    traceback: str
    member: int = 0


@dataclass(frozen=True)
class Died:
    """The worker's process has ended in the middle of a job.

    Args:
        reason: how it ended.
        member: the number of the job.

    """

    reason: str
    member: int = 0


@dataclass(frozen=True)
class Over:
    """The worker has done with its order; after an interrupt, some members may not have begun."""


Event = Ready | Moved | Said | Printed | Ended | Refused | Raised | Died | Over
_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind for kind in (Ready, Moved, Said, Printed, Ended, Refused, Raised, Died, Over)
}


def order_line(order: Order) -> str:
    """Return an order as the line that a worker reads."""
    return json.dumps(asdict(order))


def order_from_line(line: str) -> Order:
    """Read an order."""
    fields = json.loads(line)
    return Order(**{**fields, "jobs": [OrderedJob(**job) for job in fields["jobs"]]})


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
