"""The jobs of one call of a launcher, whoever runs them: this process, its workers or a cluster."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, env_override
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from longlag.errors import RequestError
from longlag.jobs.alone import run_alone
from longlag.jobs.job import Job
from longlag.jobs.objective import objective
from longlag.jobs.population import Outcome
from longlag.jobs.rehearsal import Rehearsal
from longlag.launch.assignment import Assignment
from longlag.launch.grid_display import GridDisplay
from longlag.launch.queued_job import QueuedJob
from longlag.launch.session import session
from longlag.runs import DamagedRunError, RunFolder
from longlag.runs.claim import holder_of
from longlag.runs.status import now
from longlag.settings.compose import without_hydra
from longlag.terminal import print_line


class Batch:
    """Takes jobs, records how each ends, and reports both to Hydra's callbacks and sweeper.

    Args:
        console: where the command prints.
        context: Hydra's, in a launcher; without it, Hydra has announced the one job itself.
        function: Hydra's task function, for the callbacks.
        count: called with the number of each job that has ended, or does not run, and the state.

    """

    def __init__(
        self,
        console: Console,
        context: HydraContext | None = None,
        function: TaskFunction | None = None,
        count: Callable[[int, str], None] = lambda number, state: None,
    ) -> None:
        self.console = console
        self.callbacks, self.function = None if context is None else context.callbacks, function
        self.returns: list[JobReturn] = []
        """The results for Hydra's sweeper, in the order of the jobs."""
        self.failed_fast = False
        """Whether a job has failed, and none is to run after it."""
        self._count = count
        self._configs: list[DictConfig] = []

    def say(self, text: str) -> None:
        """Print lines as they are."""
        for line in text.strip().splitlines():
            print_line(self.console, line)

    def take(self, config: DictConfig) -> QueuedJob | None:
        """Announce a job and check it; return ``None``, and print the reason, if there is nothing to run.

        Args:
            config: of the job; with Hydra's own node in a launcher.

        Raises:
            KeyboardInterrupt: the command has been asked to stop, but what it then imported went on all the same.

        """
        number, overrides = self._announce(config)
        current = session()
        place = f"[{len(current.started) + 1}/{current.jobs}] " if current.jobs > 1 else ""
        try:
            job = current.grid.get(tuple(overrides)) or Job.composed(
                without_hydra(config), HydraConfig.get(), overrides
            )
            current.folders[job.folder.path] = None
            repeated = job.folder.path in current.started
            current.started.append(job.folder.path)
            if repeated:
                self.say(f"{place}the same run as one before in this grid: {job.folder.path.name}")
                self._end(number, "repeated", objective(job.folder))
                return None
            plan = job.plan(machine=job.machine)
            if job.next_action().kind == "skip":
                self.say(f"{place}{plan.title}: {job.ran_already(plan)}")
                self._end(number, "skipped", objective(job.folder))
                return None
            current.rehearsal = current.rehearsal or Rehearsal(keep=True)
            processes = current.rehearsal.check(job)
            kind = current.rehearsal.membership(job).kind
        except RequestError as error:
            self._refuse(number, place, error)
            return None
        if current.interrupted:
            raise KeyboardInterrupt
        environment = dict(HydraConfig.get().job.env_set)
        return QueuedJob(number, job, plan.title, place, processes, environment, kind, config.fail_fast)

    def run(self, assignment: Assignment) -> None:
        """Run a job, or the members of a population, in this process.

        Raises:
            KeyboardInterrupt: a run was interrupted; its status says so.

        """
        rehearsal = session().rehearsal
        assert rehearsal is not None, "the job has been checked"
        if assignment.alone:
            self._run_alone(assignment.jobs[0], rehearsal)
        else:
            self._run_members(assignment, rehearsal)

    def _run_members(self, assignment: Assignment, rehearsal: Rehearsal) -> None:
        numbers = [queued.number for queued in assignment.jobs]
        with GridDisplay(self.console, len(numbers), 1) as display:
            display.begin(range(len(numbers)), assignment.title)

            def ended(queued: QueuedJob, outcome: Outcome) -> None:
                self._member_ended(queued, outcome)
                display.end(numbers.index(queued.number), outcome if isinstance(outcome, str) else "failed")

            assignment.run_members(self.console, ended, rehearsal.take, display)

    def _run_alone(self, queued: QueuedJob, rehearsal: Rehearsal) -> None:
        parts = rehearsal.take(queued.job)
        try:
            with env_override(queued.environment):
                status = run_alone(queued.job, self.console, queued.place, processes=queued.processes, parts=parts)
        except RequestError as error:
            self.refuse(queued, error)
        except Exception as error:  # outside of the run: the next job may do better
            self._end(queued.number, "failed", error)
        else:
            self.end(queued, status.state)

    def _member_ended(self, queued: QueuedJob, outcome: Outcome) -> None:
        match outcome:
            case RequestError():
                self.refuse(queued, outcome)
            case Exception():
                self._end(queued.number, "failed", outcome)
            case state:
                self.end(queued, state)

    def end(self, queued: QueuedJob, state: str, raised: Exception | None = None) -> None:
        """Record how a job has ended.

        Args:
            queued: the job.
            state: of its run; ``lost`` if its process is gone without a word.
            raised: the exception that has left the job outside of the run.

        """
        if state == "lost":
            _mark_lost(queued.job.folder)
        self._end(queued.number, state, objective(queued.job.folder) if raised is None else raised)

    def refuse(self, queued: QueuedJob, error: RequestError) -> None:
        """Record that a job was a wrong request after all."""
        self._refuse(queued.number, queued.place, error)

    def _announce(self, config: DictConfig) -> tuple[int, list[str]]:
        """Announce a job to Hydra; return its number and its overrides."""
        if self.callbacks is not None:
            assert self.function is not None
            HydraConfig.instance().set_config(config)  # which resolves ${hydra:…}
            self.callbacks.on_job_start(config=config, task_function=self.function)
        overrides: Any = OmegaConf.to_container(HydraConfig.get().overrides.task)
        name = JobRuntime.instance().get("name")
        self._configs.append(config)
        self.returns.append(JobReturn(overrides, without_hydra(config), config, os.getcwd(), name))  # noqa: PTH109
        return len(self.returns) - 1, overrides

    def _refuse(self, number: int, place: str, error: RequestError) -> None:
        if session().here and session().jobs == 1:
            session().refused = error
        else:
            self.say(f"{place}longlag: {error}")
        self._end(number, "refused", None)

    def _end(self, number: int, state: str, value: Any) -> None:
        self._count(number, state)
        returned, config = self.returns[number], self._configs[number]
        returned.status = JobStatus.FAILED if isinstance(value, Exception) else JobStatus.COMPLETED
        returned.return_value = value
        if self.callbacks is not None:
            self.callbacks.on_job_end(config=config, job_return=returned)
        if state in ("failed", "refused") and config.fail_fast:
            self.failed_fast = True


def _mark_lost(folder: RunFolder) -> None:
    """Write into a run's folder that its process is gone, unless another process has taken the run over."""
    try:
        status, owner = folder.read_status(), holder_of(folder.path)
    except DamagedRunError:  # something else than a run has come into the folder
        return
    if status is None or status.state != "running":
        return
    if owner is None or (owner.host, owner.pid) == (status.host, status.pid):  # a dead claim of another machine
        reason = "its process is gone: it was killed, or cancelled"
        folder.write_status(replace(status, state="interrupted", reason=reason, ended=now()))
