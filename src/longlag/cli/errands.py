"""Jobs of a grid that are sent away, to the nodes of a cluster: what is the same whoever takes them there."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, env_override
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from longlag.cli.configs import without_hydra
from longlag.cli.jobs import Job
from longlag.cli.objective import objective
from longlag.cli.requests import RequestError
from longlag.cli.session import session
from longlag.runs import RunFolder
from longlag.runs.claim import holder_of
from longlag.runs.status import now


@dataclass(frozen=True)
class Errand:
    """A job to be sent away; it knows all that is to be known on a node that shares the disk.

    Args:
        number: where in its batch it is.
        job: the job.
        title: names it.
        place: where in the grid it is.
        environment: variables that are set for it.

    """

    number: int
    job: Job
    title: str
    place: str
    environment: dict[str, str]

    def run(self, console: Console) -> str:
        """Run the job in this process, say how it ended in a line, and return in which state.

        Raises:
            KeyboardInterrupt: it was interrupted; its status says so.

        """
        try:
            with env_override(self.environment):
                return self.job.run(console, self.place).state
        except RequestError as error:
            console.print(f"{self.place}longlag: {error}", highlight=False, markup=False, soft_wrap=True)
            return "refused"


class Batch:
    """The jobs of one call of a launcher.

    Args:
        configs: of the jobs, Hydra's own node among it.
        context: Hydra's own.
        function: what Hydra believes to be called for each job.
        console: where the command says things.

    """

    def __init__(
        self, configs: Iterable[DictConfig], context: HydraContext, function: TaskFunction, console: Console
    ) -> None:
        self.console = console
        self.callbacks, self.function = context.callbacks, function
        self.returns: list[JobReturn] = []
        """What Hydra's sweeper is told of each job, in their order."""
        self.errands: list[Errand] = []
        """Those that are to be sent away: of a run that has ended, and of a repeated one, there is none."""
        self.failed_fast = False
        """Whether a job has failed after which no other is to run."""
        self._configs: list[DictConfig] = []
        for config in configs:
            self._prepare(config)

    def say(self, text: str) -> None:
        """Print lines as they are."""
        for line in text.strip().splitlines():
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def end(self, errand: Errand, state: str) -> None:
        """Take down how a job has ended.

        Args:
            errand: the job.
            state: of its run; ``lost`` if its process is gone without a word.

        """
        if state == "lost":
            _mark_lost(errand.job.folder)
        self._end(errand.number, errand.job, state)

    def _prepare(self, config: DictConfig) -> None:
        """Announce a job to Hydra, and decide whether it is to be sent away."""
        HydraConfig.instance().set_config(config)  # which resolves ${hydra:…}
        self.callbacks.on_job_start(config=config, task_function=self.function)
        overrides: Any = OmegaConf.to_container(config.hydra.overrides.task)
        name = JobRuntime.instance().get("name")
        self._configs.append(config)
        self.returns.append(JobReturn(overrides, without_hydra(config), config, os.getcwd(), name))  # noqa: PTH109
        number, current = len(self.returns) - 1, session()
        place = f"[{len(current.started) + 1}/{current.jobs}] " if current.jobs > 1 else ""
        try:
            job = Job.composed(without_hydra(config), HydraConfig.get(), overrides)
            current.folders[job.folder.path] = None
            repeated = job.folder.path in current.started
            current.started.append(job.folder.path)
            if repeated:
                self.say(f"{place}the same run as one before in this grid: {job.folder.path.name}")
                return self._end(number, job, "repeated")
            plan, _ = job.rehearse()
            status = job.folder.read_status()
            if already := status and job.ran_already(plan, status):
                self.say(f"{place}{plan.title}: {already}")
                return self._end(number, job, "skipped")
        except RequestError as error:
            self.say(f"{place}longlag: {error}")
            return self._end(number, None, "refused")
        return self.errands.append(Errand(number, job, plan.title, place, dict(config.hydra.job.env_set)))

    def _end(self, number: int, job: Job | None, state: str) -> None:
        returned, config = self.returns[number], self._configs[number]
        returned.status = JobStatus.COMPLETED
        returned.return_value = None if job is None else objective(job.folder)
        self.callbacks.on_job_end(config=config, job_return=returned)
        if state in ("failed", "refused") and config.fail_fast:
            self.failed_fast = True


def _mark_lost(folder: RunFolder) -> None:
    """Say in a run's folder that its process is gone, unless another one is at it."""
    status, owner = folder.read_status(), holder_of(folder.path)
    if status is None or status.state != "running":
        return
    if owner is None or (owner.host, owner.pid) == (status.host, status.pid):  # which on another machine looks alive
        reason = "its process is gone: it was killed, or cancelled"
        folder.write_status(replace(status, state="interrupted", reason=reason, ended=now()))
