"""The jobs of a grid on one machine, several at once: what ``hydra/launcher=local`` does."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from longlag.cli.configs import without_hydra
from longlag.cli.grid_display import GridDisplay
from longlag.cli.jobs import Job
from longlag.cli.objective import objective
from longlag.cli.pool import Order, Pool
from longlag.cli.requests import RequestError
from longlag.cli.session import session
from longlag.cli.slots import cores, gpus, on_gpu, slots_of
from longlag.runs import Status
from longlag.runs.claim import Claim, HeldError
from longlag.runs.status import State, now
from longlag.training.stopping import StopRequest, stop_requests

_EVERY_S = 0.1  # how often the display and the signals are looked at


class LocalMachine:
    """The machine with its workers, which stay warm from one batch of jobs to the next until the command ends.

    Args:
        jobs: how many at once; ``None``: as many as there is room for.
        threads: of each process.
        jobs_per_gpu: how many share a GPU.
        context: Hydra's own.
        function: what Hydra believes to be called for each job.

    Raises:
        RequestError: a figure is wrong.

    """

    def __init__(
        self, jobs: int | None, threads: int, jobs_per_gpu: int, context: HydraContext, function: TaskFunction
    ) -> None:
        self.context = context
        self.function = function
        there = torch.cuda.device_count()
        used = [on_gpu(job.settings, there) for job in session().grid]
        mine = gpus(os.environ, there) if there and (any(used) or not used) else []
        self.pool = Pool(slots_of(jobs, threads, jobs_per_gpu, cores(), mine), mine)
        session().closing.callback(self.pool.close)
        self.display = GridDisplay(Console(stderr=True), 0, len(self.pool.slots.gpus))

    def launch(self, configs: Iterator[DictConfig], total: int) -> list[JobReturn]:
        """Run jobs, and return what Hydra's sweeper is told of each, in their order.

        Args:
            configs: of the jobs, Hydra's own node among it; each is composed when its turn comes.
            total: how many jobs there are, those of earlier batches among them.

        Raises:
            KeyboardInterrupt: the command was asked to stop.
            SystemExit: a job failed, and ``fail_fast`` is set.

        """
        self.display.total = max(total, session().jobs)
        with stop_requests() as request, self.display:
            batch = _Batch(self, configs, request)
            try:
                batch.run()
            except BaseException:  # the second interrupt, or something that nobody reckoned with
                for order in self.pool.kill():
                    _mark(order.job, "interrupted", "it was cut off with the command")
                raise
        if request.by is not None:
            raise KeyboardInterrupt
        if batch.failed_fast:
            raise SystemExit(1)
        return batch.returns


class _Batch:
    """The jobs of one call of the launcher.

    Args:
        machine: where they run.
        configs: of the jobs.
        request: to stop.

    """

    def __init__(self, machine: LocalMachine, configs: Iterator[DictConfig], request: StopRequest) -> None:
        self.pool, self.display = machine.pool, machine.display
        self.callbacks, self.function = machine.context.callbacks, machine.function
        self.request = request
        self.returns: list[JobReturn] = []
        self.failed_fast = False
        self._waiting = configs
        self._next: Order | None = None
        self._all_begun = False
        self._configs: list[DictConfig] = []

    def run(self) -> None:
        """Run them all, or until asked to stop."""
        asked = False
        while True:
            stopping = self.failed_fast or self.request.by is not None
            if stopping and not asked:
                asked = True
                self.pool.interrupt()
            if not stopping:
                self._begin()
            if not self.pool.busy and (stopping or self._all_begun):
                return
            for order, event in self.pool.events(_EVERY_S):
                self._hear(order, event)
            self.display.tick()

    def _begin(self) -> None:
        """Begin jobs while there is room, in their order."""
        while self.request.by is None and not self.failed_fast:
            if self._next is None:
                config = next(self._waiting, None)
                if config is None:
                    self._all_begun = True
                    return
                self._next = self._order(config)
            elif self.pool.begin(self._next):
                self.display.begin(self._next.number, f"{self._next.place}{self._next.title}")
                self._next = None
            else:
                return
            self.display.tick()

    def _order(self, config: DictConfig) -> Order | None:
        """Return what a worker is told of a job; ``None`` if it is not to be run."""
        number = self._announced(config)
        current = session()
        place = f"[{len(current.started) + 1}/{current.jobs}] " if current.jobs > 1 else ""
        try:
            job = Job.composed(without_hydra(config), HydraConfig.get(), config.hydra.overrides.task)
            current.folders[job.folder.path] = None
            repeated = job.folder.path in current.started
            current.started.append(job.folder.path)
            if repeated:
                self.display.say(f"{place}the same run as one before in this grid: {job.folder.path.name}")
                self._ended(number, job, "repeated")
                return None
            plan, processes = job.rehearse()
            order = Order(number, job, plan.title, place, processes, dict(config.hydra.job.env_set))
            if json.loads(order.line())["settings"] != job.settings:
                raise RequestError("a mapping in the settings has a key that is not text")
            status = job.folder.read_status()
            if already := status and job.ran_already(plan, status):
                self.display.say(f"{place}{plan.title}: {already}")
                self._ended(number, job, "skipped")
                return None
            if self.pool.slots.alone(processes):
                room = f"there is room for {len(self.pool.slots.gpus)}"
                self.display.say(f"{place}{plan.title}: runs alone, on {processes} processes; {room}")
        except RequestError as error:
            self._refused(number, place, error)
            return None
        return order

    def _announced(self, config: DictConfig) -> int:
        """Announce a job to Hydra, and return its number."""
        HydraConfig.instance().set_config(config)  # which resolves ${hydra:…}
        self.callbacks.on_job_start(config=config, task_function=self.function)
        overrides: Any = OmegaConf.to_container(config.hydra.overrides.task)
        name = JobRuntime.instance().get("name")
        self._configs.append(config)
        self.returns.append(JobReturn(overrides, without_hydra(config), config, os.getcwd(), name))  # noqa: PTH109
        return len(self.returns) - 1

    def _hear(self, order: Order, event: dict[str, Any]) -> None:
        name = f"{order.place}{order.title}"
        match event:
            case {"step": step, "steps": steps, "accuracy": accuracy}:
                self.display.move(order.number, step, steps, accuracy)
            case {"said": line}:
                self.display.say(line)
            case {"printed": line}:
                self.display.say(f"{name}: {line}")
            case {"ended": state}:
                self._ended(order.number, order.job, state)
            case {"refused": why}:
                self._refused(order.number, order.place, RequestError(why))
            case {"raised": traceback}:
                self.display.say(f"{name}: failed: {traceback.splitlines()[-1]}")
                self._ended(order.number, order.job, "failed", RuntimeError(f"{name}:\n{traceback}"))
            case {"died": how}:
                asked = self.failed_fast or self.request.by is not None
                state = _mark(order.job, "interrupted" if asked else "failed", how)
                if state == "failed":
                    self.display.say(f"{name}: failed: {how}")
                self._ended(order.number, order.job, state)

    def _ended(self, number: int, job: Job, how: str, raised: Exception | None = None) -> None:
        self._end(number, how, objective(job.folder) if raised is None else raised)

    def _refused(self, number: int, place: str, error: RequestError) -> None:
        if session().jobs == 1:
            session().refused = error
        else:
            self.display.say(f"{place}longlag: {error}")
        self._end(number, "refused", None)

    def _end(self, number: int, how: str, value: Any) -> None:
        """Count a job as ended, and tell Hydra."""
        self.display.end(number, how)
        returned, config = self.returns[number], self._configs[number]
        returned.status = JobStatus.FAILED if isinstance(value, Exception) else JobStatus.COMPLETED
        returned.return_value = value
        self.callbacks.on_job_end(config=config, job_return=returned)
        if how in ("failed", "refused") and config.fail_fast:
            self.failed_fast = True


def _mark(job: Job, state: State, reason: str) -> str:
    """Say in a run's folder how it ended, if its own process did not come to it; return the state in which it is."""
    folder = job.folder
    folder.path.mkdir(parents=True, exist_ok=True)
    try:
        with Claim(folder.path):
            status = folder.read_status()
            if status is not None and (status.finished or (state == "interrupted" and status.state != "running")):
                return status.state
            if status is None and state == "interrupted":  # it had not begun
                return state
            if status is None:
                folder.write_config(job.settings)
                status = Status("running", started=now())
            folder.write_status(replace(status, state=state, reason=reason, ended=now()))
    except HeldError:  # by somebody else, who was first
        return "refused"
    return state
