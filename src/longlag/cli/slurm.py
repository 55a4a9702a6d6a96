"""The jobs of a grid on a cluster that SLURM runs: what ``hydra/launcher=slurm`` does."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any

import submitit
from rich.console import Console

from longlag.cli.assemble import assemble, rehearse
from longlag.cli.errands import Batch, Errand
from longlag.cli.jobs import Job
from longlag.cli.nodes import this_node
from longlag.cli.ranks import join_ranks
from longlag.cli.requests import RequestError

_LOOK_S = 1.0  # how often the folder is looked at for results
_ASK_S = 10.0  # how often SLURM is asked which jobs it still has
_OF_SEVERAL = {"slurm_srun_args": ["--kill-on-bad-exit=1"]}  # or a node would wait for one that is gone
_WARNINGS = (signal.SIGTERM, signal.SIGUSR2)  # a job is preempted or cancelled; its time is nearly over


def submit(batch: Batch, errands: list[Errand], folder: str, parameters: dict[str, Any], max_requeues: int) -> None:
    """Submit the jobs of a batch as one array, or one for each number of nodes, and wait until all have ended.

    Args:
        batch: is told how they have ended.
        errands: the jobs.
        folder: where submitit keeps its files; on a disk that the nodes share.
        parameters: of submitit.
        max_requeues: how often a job may queue up again when its time is over.

    Raises:
        RequestError: there is no SLURM, or it does not take the jobs.
        SystemExit: a job failed, and ``fail_fast`` is set.

    """
    if shutil.which("srun") is None:
        raise RequestError("hydra/launcher=slurm: no SLURM is here; hydra/launcher=local runs a grid on this machine")
    waiting: dict[submitit.Job[str], Errand] = {}
    for nodes, alike in _by_nodes(errands).items():
        try:
            executor = submitit.AutoExecutor(folder, cluster="slurm")
            executor.update_parameters(**parameters, nodes=nodes, **(_OF_SEVERAL if nodes > 1 else {}))
            jobs = executor.map_array(SlurmJob(max_requeues), alike)
        except (NameError, submitit.core.utils.FailedJobError) as error:  # an unknown parameter; sbatch refuses
            _cancel(waiting)
            raise RequestError(f"hydra/launcher=slurm: {str(error).strip().splitlines()[-1]}") from error
        waiting |= {job.task(0): errand for job, errand in zip(jobs, alike, strict=True)}  # the first node's
        array, many = _array(jobs[0]), f"{len(jobs)} jobs" if len(jobs) > 1 else "one job"
        on = f" on {nodes} nodes each" if nodes > 1 else ""
        batch.say(f"submitted to SLURM: {many}{on}, as {array}; what they say is in {folder}/{array}_*")
    with batch.console.status("waiting for SLURM"):  # which is seen in a terminal only
        for job in _as_they_end(list(waiting)):
            errand = waiting.pop(job)
            batch.say(_said(job) or f"{errand.name}: ended without a word")
            batch.end(errand, job.result() if job.paths.result_pickle.exists() else "lost")
            if batch.failed_fast:
                _cancel(waiting)
                raise SystemExit(1)


class SlurmJob:
    """What a job of SLURM runs on each of its nodes: a job of the grid, which queues up again when its time is over.

    Args:
        max_requeues: how often it may.

    """

    def __init__(self, max_requeues: int) -> None:
        self.max_requeues = max_requeues

    def __call__(self, errand: Errand) -> str:
        """Run it, and return the state in which it ended; on another node than the first, help with it.

        Raises:
            SystemExit: it was cut, so it leaves no result: SLURM, or whoever cancelled it, knows what comes next.

        """
        if _restarts():  # what it has made itself is to be gone on with
            errand = replace(errand, job=replace(errand.job, fresh=False))
        try:
            for number in _WARNINGS:  # a run takes them itself
                signal.signal(number, _interrupt)
            if _elsewhere():
                return _help_with(errand.job)
            return errand.run(Console(stderr=True, width=200))
        except KeyboardInterrupt:
            if _elsewhere():
                return "interrupted"  # the first one knows what comes next
            self._queue_up_again()
            raise SystemExit(1) from None

    def _queue_up_again(self) -> None:
        """Queue up again, unless SLURM is ending this job already: one that is preempted it requeues itself."""
        for number in _WARNINGS:
            signal.signal(number, signal.SIG_IGN)
        job = os.environ["SLURM_JOB_ID"]
        if _squeue("--format=%T", "--jobs", job).stdout.strip() != "RUNNING":
            return
        if _restarts() >= self.max_requeues:
            print(f"not queued up again: hydra.launcher.max_requeues={self.max_requeues}", file=sys.stderr)
            return
        print("its time is nearly over: queued up again", file=sys.stderr, flush=True)
        subprocess.run(["scontrol", "requeue", job], check=False)


def _elsewhere() -> bool:
    """Say whether this is another node of the job than the first."""
    return os.environ.get("SLURM_NODEID", "0") != "0"


def _help_with(job: Job) -> str:
    """Start the ranks that a job has on this node, which the first one leads."""
    paths = submitit.JobEnvironment().paths
    lead = submitit.core.utils.JobPaths(paths.folder, submitit.JobEnvironment().job_id, 0)
    ranks = rehearse(assemble(job.settings, job.folder, Console(quiet=True)))
    join_ranks(job.folder, ranks, this_node(job.nodes), lead.result_pickle.exists)
    return "helped"


def _by_nodes(errands: Sequence[Errand]) -> dict[int, list[Errand]]:
    """Return the jobs by how many nodes they run on."""
    found: dict[int, list[Errand]] = {}
    for errand in errands:
        found.setdefault(errand.job.nodes, []).append(errand)
    return found


def _array(job: "submitit.Job[str]") -> str:
    return job.job_id.split("_")[0]


def _cancel(jobs: Iterable["submitit.Job[str]"]) -> None:
    if arrays := {_array(job) for job in jobs}:
        subprocess.run(["scancel", *arrays], check=False)


def _as_they_end(jobs: list["submitit.Job[str]"]) -> Iterator["submitit.Job[str]"]:
    """Yield each job when it has ended: there is a result, or SLURM has it no more."""
    asked = time.monotonic()
    while jobs:
        over = [job for job in jobs if job.paths.result_pickle.exists()]
        if not over and time.monotonic() - asked > _ASK_S:
            asked = time.monotonic()
            queued = _queued({_array(job) for job in jobs})
            over = [job for job in jobs if queued is not None and job.job_id not in queued]
        for job in over:
            jobs.remove(job)
            yield job
        if not over:
            time.sleep(_LOOK_S)
            if jobs[0].paths.folder.is_dir():
                list(jobs[0].paths.folder.iterdir())  # has a network disk look anew


def _said(job: "submitit.Job[str]") -> str:
    """Return what a job has said, less what SLURM and submitit say about its signals."""
    lines = (job.stderr() or "").splitlines()
    return "\n".join(line for line in lines if not line.startswith(("srun: ", "slurmstepd", "submitit ")))


def _queued(arrays: Iterable[str]) -> set[str] | None:
    """Return which jobs of some arrays SLURM still has; ``None`` if it does not tell."""
    said = _squeue("--array", "--format=%i", "--jobs", ",".join(arrays))
    if said.returncode and "Invalid job id" not in said.stderr:
        return None
    return set(said.stdout.split())


def _squeue(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["squeue", "--noheader", *arguments], capture_output=True, text=True, check=False)


def _restarts() -> int:
    return int(os.environ.get("SLURM_RESTART_COUNT", "0"))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
