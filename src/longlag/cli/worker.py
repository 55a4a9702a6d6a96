"""A process that is given jobs, one after the other: ``python -m longlag.cli.worker DESCRIPTOR``.

It reads a job a line from its standard input, and sends to the descriptor how each goes on and ends. What else is
printed, by a cell of the reader's own for instance, goes where its output goes.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from longlag.cli import processes

# torch is imported when the process has begun in earnest, which takes seconds in which it may be told to stop


def main(descriptor: int) -> int:
    """Serve until no more jobs come, and return the exit code."""
    import longlag.cli.jobs  # noqa: F401 -- takes seconds, which a worker that serves many jobs spends once
    from longlag.cli.beacon import send

    orders = os.fdopen(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)  # what a run reads from the standard input is no job
    os.close(nothing)
    with orders:
        send(descriptor, ready=True)
        for line in orders:
            send(descriptor, **_served(json.loads(line), descriptor))
    return 0


def _served(order: dict[str, Any], descriptor: int) -> dict[str, Any]:
    """Run a job, and return what is to be said of its end."""
    from hydra.core.utils import env_override
    from rich.console import Console

    from longlag.cli.beacon import Told
    from longlag.cli.jobs import Job
    from longlag.cli.requests import RequestError, explained
    from longlag.runs import RunFolder

    job = Job(order["settings"], RunFolder(Path(order["folder"])), order["fresh"], order["resumed"])
    console = Console(file=Told(descriptor), force_terminal=False)  # type: ignore[arg-type]
    try:
        with env_override(order["environment"]):
            return {"ended": job.run(console, order["place"], tell=descriptor).state}
    except RequestError as error:
        return {"refused": str(error)}
    except KeyboardInterrupt:
        return {"ended": "interrupted"}
    except Exception as error:
        wrong = explained(error, ())
        return {"raised": traceback.format_exc()} if wrong is None else {"refused": str(wrong)}


if __name__ == "__main__":
    processes.begin()
    try:
        code = main(int(sys.argv[1]))
    except KeyboardInterrupt:  # between two jobs
        code = 1
    sys.exit(code)
