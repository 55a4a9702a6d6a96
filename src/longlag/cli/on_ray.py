"""The jobs of a grid as tasks of Ray: what ``hydra/launcher=ray`` does."""

import io
import os
import sys
from typing import Any

import ray
from rich.console import Console

from longlag.cli.errands import Batch, Errand
from longlag.cli.session import session

_GRACE_S = 60.0  # how long jobs that are asked to stop may take to save their checkpoints


def run_on_ray(batch: Batch, errands: list[Errand], init: dict[str, Any], remote: dict[str, Any], threads: int) -> None:
    """Give the jobs of a batch to Ray, and wait until all have ended.

    Args:
        batch: is told how they have ended.
        errands: the jobs.
        init: arguments of ``ray.init``; it is called once a command.
        remote: what each job takes, as ``num_cpus`` and ``num_gpus``.
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
    waiting = {task.remote(errand): errand for errand in errands}
    try:
        with batch.console.status("waiting for Ray"):  # which is seen in a terminal only
            while waiting:
                (done,), _ = ray.wait(list(waiting))
                _take(batch, waiting.pop(done), done)
                if batch.failed_fast:
                    raise SystemExit(1)
    except BaseException:
        for one in waiting:
            ray.cancel(one)  # which the run takes as a Ctrl-C, and saves a checkpoint
        for one in ray.wait(list(waiting), num_returns=len(waiting), timeout=_GRACE_S)[0] if waiting else []:
            _take(batch, waiting[one], one)
        raise


def _run(errand: Errand) -> tuple[str, str]:
    """Run a job in a process of Ray; return the state in which it ended, and what it said."""
    said = io.StringIO()
    console = Console(file=said, width=200)
    try:
        return errand.run(console), said.getvalue()
    except KeyboardInterrupt:
        return "interrupted", said.getvalue()


def _take(batch: Batch, errand: Errand, done: "ray.ObjectRef[tuple[str, str]]") -> None:
    """Take down how a job ended."""
    try:
        state, said = ray.get(done)
    except ray.exceptions.RayError as error:  # its process is gone, or it had not begun
        state, said = "lost", f"{errand.name}: {type(error).__name__}: no word from its process"
    batch.say(said)
    batch.end(errand, state)
