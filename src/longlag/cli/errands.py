"""Jobs of a grid that other processes run: what is the same whoever takes them there, on this machine or a cluster."""

import json
import os
from collections.abc import Callable
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
    """A job for another process; it knows all that is to be known where the disk is shared.

    Args:
        number: where in its batch it is.
        job: the job.
        title: names it for a person.
        place: where in the grid it is, for its line.
        processes: how many it has, on each machine.
        environment: variables that are set for it.

    """

    number: int
    job: Job
    title: str
    place: str
    processes: int
    environment: dict[str, str]

    @property
    def name(self) -> str:
        """What a line about it begins with."""
        return f"{self.place}{self.title}"

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

    def line(self) -> str:
        """Return it as a worker of this machine reads it; see :mod:`longlag.cli.worker`."""
        return json.dumps(
            {
                "settings": self.job.settings,
                "folder": str(self.job.folder.path),
                "fresh": self.job.fresh,
                "resumed": self.job.resumed,
                "place": self.place,
                "environment": self.environment,
            }
        )


class Batch:
    """The jobs of one call of a launcher: each is announced to Hydra when it is taken, and told of when it has ended.

    Args:
        context: Hydra's own.
        function: what Hydra believes to be called for each job.
        console: where the command says things.
        count: is told the number of each job that has ended, or is not run, and how.

    """

    def __init__(
        self,
        context: HydraContext,
        function: TaskFunction,
        console: Console,
        count: Callable[[int, str], None] = lambda number, how: None,
    ) -> None:
        self.console = console
        self.callbacks, self.function = context.callbacks, function
        self.returns: list[JobReturn] = []
        """What Hydra's sweeper is told of each job, in their order."""
        self.failed_fast = False
        """Whether a job has failed after which no other is to run."""
        self._count = count
        self._configs: list[DictConfig] = []

    def say(self, text: str) -> None:
        """Print lines as they are."""
        for line in text.strip().splitlines():
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def take(self, config: DictConfig) -> Errand | None:
        """Announce a job to Hydra, and return what is to be run; ``None``, and why not is said, if nothing is.

        Args:
            config: its configuration, Hydra's own node among it.

        """
        number, overrides = self._announce(config), config.hydra.overrides.task
        current = session()
        place = f"[{len(current.started) + 1}/{current.jobs}] " if current.jobs > 1 else ""
        try:
            job = Job.composed(without_hydra(config), HydraConfig.get(), overrides)
            current.folders[job.folder.path] = None
            repeated = job.folder.path in current.started
            current.started.append(job.folder.path)
            if repeated:
                self.say(f"{place}the same run as one before in this grid: {job.folder.path.name}")
                self._end(number, "repeated", objective(job.folder))
                return None
            plan, processes = job.rehearse()
            status = job.folder.read_status()
            if already := status and job.ran_already(plan, status):
                self.say(f"{place}{plan.title}: {already}")
                self._end(number, "skipped", objective(job.folder))
                return None
        except RequestError as error:
            self._refuse(number, place, error)
            return None
        return Errand(number, job, plan.title, place, processes, dict(config.hydra.job.env_set))

    def end(self, errand: Errand, state: str, raised: Exception | None = None) -> None:
        """Take down how a job has ended, and tell Hydra.

        Args:
            errand: the job.
            state: of its run; ``lost`` if its process is gone without a word.
            raised: what its process stumbled over, outside of the run.

        """
        if state == "lost":
            _mark_lost(errand.job.folder)
        self._end(errand.number, state, objective(errand.job.folder) if raised is None else raised)

    def refuse(self, errand: Errand, error: RequestError) -> None:
        """Take down that a job was a wrong request after all."""
        self._refuse(errand.number, errand.place, error)

    def _announce(self, config: DictConfig) -> int:
        """Announce a job to Hydra, and return its number."""
        HydraConfig.instance().set_config(config)  # which resolves ${hydra:…}
        self.callbacks.on_job_start(config=config, task_function=self.function)
        overrides: Any = OmegaConf.to_container(config.hydra.overrides.task)
        name = JobRuntime.instance().get("name")
        self._configs.append(config)
        self.returns.append(JobReturn(overrides, without_hydra(config), config, os.getcwd(), name))  # noqa: PTH109
        return len(self.returns) - 1

    def _refuse(self, number: int, place: str, error: RequestError) -> None:
        if session().jobs == 1:
            session().refused = error
        else:
            self.say(f"{place}longlag: {error}")
        self._end(number, "refused", None)

    def _end(self, number: int, how: str, value: Any) -> None:
        self._count(number, how)
        returned, config = self.returns[number], self._configs[number]
        returned.status = JobStatus.FAILED if isinstance(value, Exception) else JobStatus.COMPLETED
        returned.return_value = value
        self.callbacks.on_job_end(config=config, job_return=returned)
        if how in ("failed", "refused") and config.fail_fast:
            self.failed_fast = True


def _mark_lost(folder: RunFolder) -> None:
    """Say in a run's folder that its process is gone, unless another one is at it."""
    status, owner = folder.read_status(), holder_of(folder.path)
    if status is None or status.state != "running":
        return
    if owner is None or (owner.host, owner.pid) == (status.host, status.pid):  # which on another machine looks alive
        reason = "its process is gone: it was killed, or cancelled"
        folder.write_status(replace(status, state="interrupted", reason=reason, ended=now()))
