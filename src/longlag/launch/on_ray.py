"""``hydra/launcher=ray``: the jobs and populations of a grid as tasks of Ray."""

import contextlib
import io
import os
import sys
from typing import Any

import ray
from rich.console import Console

from longlag.launch.assignment import Assignment
from longlag.launch.batch import Batch
from longlag.launch.session import session

_GRACE_S = 60.0  # the most time that interrupted jobs get to save their checkpoints


def run_on_ray(
    batch: Batch, ready: list[Assignment], init: dict[str, Any], remote: dict[str, Any], threads: int
) -> None:
    """Give the jobs and populations of a batch to Ray, and wait until all have ended.

    Args:
        batch: records how the jobs end.
        ready: the jobs and populations; each is a task of Ray.
        init: arguments of ``ray.init``; it is called once a command.
        remote: the resources of each job, as ``num_cpus`` and ``num_gpus``.
        threads: of each process.

    Raises:
        KeyboardInterrupt: the command was asked to stop.
        SystemExit: a job failed, and ``fail_fast`` is set.

    """
    if not ray.is_initialized():
        path = os.pathsep.join([*filter(None, sys.path), os.environ.get("PYTHONPATH", "")])
        variables = {"PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}
        ray.init(**init, log_to_driver=False, configure_logging=False, runtime_env={"env_vars": variables})
        session().closing.callback(ray.shutdown)
    task = ray.remote(_run).options(max_retries=0, **remote)
    waiting = {task.remote(assignment): assignment for assignment in ready}
    try:
        with batch.console.status("waiting for Ray"):  # visible in a terminal only
            while waiting:
                (done,), _ = ray.wait(list(waiting))
                _take(batch, waiting.pop(done), done)
                if batch.failed_fast:
                    raise SystemExit(1)
    except BaseException:
        for one in waiting:
            ray.cancel(one)  # a Ctrl-C to the run, which saves a checkpoint
        for one in ray.wait(list(waiting), num_returns=len(waiting), timeout=_GRACE_S)[0] if waiting else []:
            _take(batch, waiting[one], one)
        raise


def _run(assignment: Assignment) -> tuple[dict[int, str], str]:
    """Run jobs in a process of Ray; return the state of each by its number, and the lines that they have printed.

    A job without a state was interrupted, or has not begun.
    """
    output, states = io.StringIO(), dict[int, str]()
    console = Console(file=output, width=200)
    with contextlib.suppress(KeyboardInterrupt):
        assignment.run(console, states)
    return states, output.getvalue()


def _take(batch: Batch, assignment: Assignment, done: "ray.ObjectRef[tuple[dict[int, str], str]]") -> None:
    """Record how jobs ended."""
    try:
        states, output = ray.get(done)
        otherwise = "interrupted"
    except ray.exceptions.RayError as error:  # the process is gone, or has not begun
        states, output = {}, f"{assignment.name}: {type(error).__name__}: no word from its process"
        otherwise = "lost"
    batch.say(output)
    for queued in assignment.jobs:
        batch.end(queued, states.get(queued.number, otherwise))
