"""``hydra/launcher=ray``: the jobs of a grid as tasks of Ray."""

import io
import os
import sys
from typing import Any

import ray
from rich.console import Console

from longlag.launch.batch import Batch
from longlag.launch.queued_job import QueuedJob
from longlag.launch.session import session

_GRACE_S = 60.0  # the most time that interrupted jobs get to save their checkpoints


def run_on_ray(
    batch: Batch, queued_jobs: list[QueuedJob], init: dict[str, Any], remote: dict[str, Any], threads: int
) -> None:
    """Give the jobs of a batch to Ray, and wait until all have ended.

    Args:
        batch: records how the jobs end.
        queued_jobs: the jobs.
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
    waiting = {task.remote(queued): queued for queued in queued_jobs}
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


def _run(queued: QueuedJob) -> tuple[str, str]:
    """Run a job in a process of Ray; return its state, and the lines that it has printed."""
    output = io.StringIO()
    console = Console(file=output, width=200)
    try:
        return queued.run(console), output.getvalue()
    except KeyboardInterrupt:
        return "interrupted", output.getvalue()


def _take(batch: Batch, queued: QueuedJob, done: "ray.ObjectRef[tuple[str, str]]") -> None:
    """Record how a job ended."""
    try:
        state, output = ray.get(done)
    except ray.exceptions.RayError as error:  # its process is gone, or has not begun
        state, output = "lost", f"{queued.name}: {type(error).__name__}: no word from its process"
    batch.say(output)
    batch.end(queued, state)
