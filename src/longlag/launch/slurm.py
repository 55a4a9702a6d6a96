"""``hydra/launcher=slurm``: the jobs and populations of a grid as one array of SLURM."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from types import FrameType
from typing import Any

import submitit
from rich.console import Console

from longlag.errors import RequestError
from longlag.jobs.job import Job
from longlag.jobs.nodes import this_node
from longlag.jobs.ranks import join_ranks
from longlag.launch.assignment import Assignment
from longlag.launch.batch import Batch

#: What a job of SLURM returns: the states of the jobs of a grid that it has run, by their numbers in the batch.
States = dict[int, str]

_LOOK_S = 1.0  # between two looks for results
_ASK_S = 10.0  # between two questions to SLURM about its queue
_OF_SEVERAL = {"slurm_srun_args": ["--kill-on-bad-exit=1"]}  # else a node would wait for a node that is gone
_WARNINGS = (signal.SIGTERM, signal.SIGUSR2)  # SIGTERM: preempted or cancelled; SIGUSR2: little time is left


def check_installed() -> None:
    """Check that SLURM is installed.

    Raises:
        RequestError: it is not.

    """
    if shutil.which("srun") is None:
        raise RequestError("hydra/launcher=slurm: no SLURM is here; hydra/launcher=local runs a grid on this machine")


def submit(batch: Batch, ready: list[Assignment], folder: str, parameters: dict[str, Any], max_requeues: int) -> None:
    """Submit the jobs and populations of a batch as one array, or one for each number of nodes, and wait for all.

    Args:
        batch: records how the jobs end.
        ready: the jobs and populations; each is a job of SLURM.
        folder: of submitit's files, on a disk that the nodes share.
        parameters: of submitit.
        max_requeues: the most times that a job may queue up again when its time is over.

    Raises:
        RequestError: SLURM refuses the jobs.
        SystemExit: a job failed, and ``fail_fast`` is set.

    """
    waiting: dict[submitit.Job[States], Assignment] = {}
    for nodes, alike in _by_nodes(ready).items():
        try:
            executor = submitit.AutoExecutor(folder, cluster="slurm")
            executor.update_parameters(**parameters, nodes=nodes, **(_OF_SEVERAL if nodes > 1 else {}))
            jobs = executor.map_array(SlurmJob(max_requeues), alike)
        except (NameError, submitit.core.utils.FailedJobError) as error:  # an unknown parameter; sbatch refuses
            _cancel(waiting)
            raise RequestError(f"hydra/launcher=slurm: {str(error).strip().splitlines()[-1]}") from error
        waiting |= {job.task(0): one for job, one in zip(jobs, alike, strict=True)}  # the first node's
        array, many = _array(jobs[0]), f"{len(jobs)} jobs" if len(jobs) > 1 else "one job"
        on = f" on {nodes} nodes each" if nodes > 1 else ""
        batch.say(f"submitted to SLURM: {many}{on}, as {array}; what they say is in {folder}/{array}_*")
    with batch.console.status("waiting for SLURM"):  # visible in a terminal only
        for job in _as_they_end(list(waiting)):
            assignment = waiting.pop(job)
            batch.say(_output(job) or f"{assignment.name}: ended without a word")
            states = job.result() if job.paths.result_pickle.exists() else {}
            for queued in assignment.jobs:
                batch.end(queued, states.get(queued.number, "lost"))
            if batch.failed_fast:
                _cancel(waiting)
                raise SystemExit(1)


class SlurmJob:
    """What SLURM calls on each node: it runs a job or a population, and queues it up again when its time is over.

    Args:
        max_requeues: the most times that it may queue up again.

    """

    def __init__(self, max_requeues: int) -> None:
        self.max_requeues = max_requeues

    def __call__(self, assignment: Assignment) -> States:
        """Run it and return the states of its jobs; on all nodes but the first, start the ranks of that node.

        Raises:
            SystemExit: the job was cut. It leaves no result, and SLURM runs it again or has cancelled it.

        """
        if _restarts():  # goes on with the runs that it has begun itself
            assignment = assignment.resumed()
        states: States = {}
        try:
            for number in _WARNINGS:  # until the run handles them itself
                signal.signal(number, _interrupt)
            if _on_another_node():
                _help_with(assignment.jobs[0].job)
            else:
                assignment.run(Console(stderr=True, width=200), states)
        except KeyboardInterrupt:
            if _on_another_node():
                return states  # the first node decides what comes next
            self._queue_up_again()
            raise SystemExit(1) from None
        return states

    def _queue_up_again(self) -> None:
        """Queue up again, unless SLURM is already ending this job: SLURM requeues a preempted job itself."""
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


def _on_another_node() -> bool:
    """Return whether this is not the first node of the job."""
    return os.environ.get("SLURM_NODEID", "0") != "0"


def _help_with(job: Job) -> None:
    """Start the ranks of a job on this node; the first node leads them."""
    paths = submitit.JobEnvironment().paths
    lead = submitit.core.utils.JobPaths(paths.folder, submitit.JobEnvironment().job_id, 0)
    ranks = job.build().trainer.num_devices
    join_ranks(job.folder, ranks, this_node(job.nodes), lead.result_pickle.exists)


def _by_nodes(ready: Sequence[Assignment]) -> dict[int, list[Assignment]]:
    """Group jobs and populations by their number of nodes."""
    groups: dict[int, list[Assignment]] = {}
    for assignment in ready:
        groups.setdefault(assignment.nodes, []).append(assignment)
    return groups


def _array(job: "submitit.Job[States]") -> str:
    return job.job_id.split("_")[0]


def _cancel(jobs: Iterable["submitit.Job[States]"]) -> None:
    if arrays := {_array(job) for job in jobs}:
        subprocess.run(["scancel", *arrays], check=False)


def _as_they_end(jobs: list["submitit.Job[States]"]) -> Iterator["submitit.Job[States]"]:
    """Yield each job when it has ended: it has a result, or SLURM's queue does not hold it any more."""
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
                list(jobs[0].paths.folder.iterdir())  # makes a network disk refresh


def _output(job: "submitit.Job[States]") -> str:
    """Return the lines that a job has printed, without those of SLURM and submitit about its signals."""
    lines = (job.stderr() or "").splitlines()
    return "\n".join(line for line in lines if not line.startswith(("srun: ", "slurmstepd", "submitit ")))


def _queued(arrays: Iterable[str]) -> set[str] | None:
    """Return the jobs of some arrays that SLURM still has; ``None`` if SLURM does not answer."""
    answer = _squeue("--array", "--format=%i", "--jobs", ",".join(arrays))
    if answer.returncode and "Invalid job id" not in answer.stderr:
        return None
    return set(answer.stdout.split())


def _squeue(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["squeue", "--noheader", *arguments], capture_output=True, text=True, check=False)


def _restarts() -> int:
    return int(os.environ.get("SLURM_RESTART_COUNT", "0"))


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
