"""A process that runs one job after the other: ``python -m longlag.launch.local.worker_main DESCRIPTOR``.

It reads an order a line from its standard input, and sends the events of each job to the descriptor. Everything else
that is printed, for instance by a reader's own cell, goes to the standard output.
"""

import os
import sys
import traceback
from pathlib import Path

from longlag.jobs import child_process
from longlag.jobs.messages import Ended, Order, Raised, Ready, Refused, order_from_line, send

# torch is imported when the process can already be told to stop: the import takes seconds


def main(descriptor: int) -> int:
    """Serve until no more orders come, and return the exit code."""
    import longlag.jobs.job  # noqa: F401 -- takes seconds, once for all jobs of this worker

    orders = os.fdopen(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # a run that reads the standard input must not read the orders
    os.close(nothing)
    with orders:
        send(descriptor, Ready())
        for line in orders:
            send(descriptor, _run(order_from_line(line), descriptor))
    return 0


def _run(order: Order, descriptor: int) -> Ended | Refused | Raised:
    """Run a job, and return how it ended."""
    from hydra.core.utils import env_override
    from rich.console import Console

    from longlag.errors import RequestError
    from longlag.jobs.job import Job
    from longlag.jobs.progress_events import LineSender
    from longlag.runs import RunFolder
    from longlag.settings.messages import explained

    job = Job(order.settings, RunFolder(Path(order.folder)), order.fresh)
    console = Console(file=LineSender(descriptor), force_terminal=False)  # type: ignore[arg-type]
    try:
        with env_override(order.environment):
            return Ended(job.run(console, order.place, tell=descriptor, processes=order.processes).state)
    except RequestError as error:
        return Refused(str(error))
    except KeyboardInterrupt:
        return Ended("interrupted")
    except Exception as error:
        explanation = explained(error, ())
        return Raised(traceback.format_exc()) if explanation is None else Refused(str(explanation))


if __name__ == "__main__":
    child_process.begin()
    try:
        code = main(int(sys.argv[1]))
    except KeyboardInterrupt:  # between two jobs
        code = 1
    sys.exit(code)
