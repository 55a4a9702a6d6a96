"""A process that runs one order after the other: ``python -m longlag.launch.local.worker_main DESCRIPTOR``.

It reads an order a line from its standard input, a job or a population, and sends the events of its jobs to the
descriptor. Everything else
that is printed, for instance by a reader's own cell, goes to the standard output.
"""

import contextlib
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from longlag.jobs import child_process
from longlag.jobs.messages import Ended, Order, OrderedJob, Over, Raised, Ready, Refused, order_from_line, send

if TYPE_CHECKING:
    from rich.console import Console

    from longlag.jobs.job import Job

# torch is imported when the process can already be told to stop: the import takes seconds


def main(descriptor: int) -> int:
    """Serve until no more orders come, and return the exit code."""
    import longlag.jobs.population  # noqa: F401 -- takes seconds, once for all jobs of this worker

    orders = os.fdopen(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # a run that reads the standard input must not read the orders
    os.close(nothing)
    with orders:
        send(descriptor, Ready())
        for line in orders:
            _run(order_from_line(line), descriptor)
            send(descriptor, Over())
    return 0


def _run(order: Order, descriptor: int) -> None:
    """Run the jobs of an order, and send how each has ended."""
    from hydra.core.utils import env_override
    from rich.console import Console

    from longlag.jobs.progress_events import LineSender

    console = Console(file=LineSender(descriptor), force_terminal=False)  # type: ignore[arg-type]
    with env_override(order.environment):
        if len(order.jobs) > 1:
            _run_population(order, console, descriptor)
        else:
            send(descriptor, _run_alone(order, console, descriptor))


def _run_alone(order: Order, console: "Console", descriptor: int) -> Ended | Refused | Raised:
    from longlag.jobs.alone import run_alone

    (ordered,) = order.jobs
    try:
        status = run_alone(_job(ordered), console, ordered.place, tell=descriptor, processes=order.processes)
    except KeyboardInterrupt:
        return Ended("interrupted")
    except Exception as error:
        return _event(0, error)
    return _event(0, status.state)


def _run_population(order: Order, console: "Console", descriptor: int) -> None:
    from longlag.jobs.population import Member, run_population

    members = [Member(_job(ordered), ordered.place) for ordered in order.jobs]
    with contextlib.suppress(KeyboardInterrupt):  # the command knows which members have not ended
        run_population(
            members, order.at_once, console, lambda number, outcome: send(descriptor, _event(number, outcome)),
            tell=descriptor, fail_fast=order.fail_fast,
        )  # fmt: skip


def _job(ordered: OrderedJob) -> "Job":
    from longlag.jobs.job import Job
    from longlag.runs import RunFolder

    return Job(ordered.settings, RunFolder(Path(ordered.folder)), ordered.fresh)


def _event(number: int, outcome: str | Exception) -> Ended | Refused | Raised:
    """Return how a job has ended."""
    from longlag.errors import RequestError
    from longlag.settings.messages import explained

    if isinstance(outcome, str):
        return Ended(outcome, number)
    if isinstance(outcome, RequestError):
        return Refused(str(outcome), number)
    explanation = explained(outcome, ())
    if explanation is not None:
        return Refused(str(explanation), number)
    return Raised("".join(traceback.format_exception(outcome)), number)


if __name__ == "__main__":
    child_process.begin()
    try:
        code = main(int(sys.argv[1]))
    except KeyboardInterrupt:  # between two jobs
        code = 1
    sys.exit(code)
