"""Workers of the local launcher that start while the grid is still looked ahead at: a start takes seconds."""

from collections.abc import Mapping
from typing import Any

from longlag.errors import RequestError
from longlag.launch.local.slots import cores, has_gpu, slots_of
from longlag.launch.local.worker_process import Worker
from longlag.launch.session import session

_spares: list[Worker] = []


def start_spares(launcher: Mapping[str, Any], jobs: int) -> None:
    """Start the workers that a grid will need.

    On a machine with GPUs there are none: a worker gets its GPU when it gets its job.

    Args:
        launcher: the settings of the local launcher.
        jobs: the number of jobs in the grid.

    """
    if has_gpu():
        return
    try:
        slots = slots_of(launcher["jobs"], launcher["threads"], launcher["jobs_per_gpu"], cores(), [])
    except (RequestError, KeyError):  # the launcher itself refuses the same settings later, in its own line
        return
    session().closing.callback(end_spares)
    for slot in range(min(len(slots.gpus), jobs)):
        _spares.append(Worker(slots.environment([slot])))


def take_spare(environment: Mapping[str, str]) -> Worker | None:
    """Take a worker that has been started with this environment, if there is one."""
    for k, worker in enumerate(_spares):
        if worker.environment == environment and worker.process.poll() is None:
            return _spares.pop(k)
    return None


def end_spares() -> None:
    """End the workers that nobody has taken."""
    while _spares:
        _spares.pop().kill()
