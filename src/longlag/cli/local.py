"""The jobs of a grid on one machine, several at once: what ``hydra/launcher=local`` does."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from rich.console import Console

from longlag.cli.errands import Batch, Errand
from longlag.cli.grid_display import GridDisplay
from longlag.cli.jobs import Job
from longlag.cli.pool import Pool
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
        self.pool = Pool(slots_of(jobs, threads, jobs_per_gpu, cores(), mine), mine, session().spares)
        session().closing.callback(self.pool.close)
        if mine:  # of which the spares know nothing
            self.pool.end_spares()
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
            work = _Work(self, configs, request)
            try:
                work.run()
            except BaseException:  # the second interrupt, or something that nobody reckoned with
                for errand in self.pool.kill():
                    _mark(errand.job, "interrupted", "it was cut off with the command")
                raise
        if request.by is not None:
            raise KeyboardInterrupt
        if work.batch.failed_fast:
            raise SystemExit(1)
        return work.batch.returns


class _Work:
    """The jobs of one call of the launcher, on their way through the workers.

    Args:
        machine: where they run.
        configs: of the jobs.
        request: to stop.

    """

    def __init__(self, machine: LocalMachine, configs: Iterator[DictConfig], request: StopRequest) -> None:
        self.pool, self.display = machine.pool, machine.display
        self.batch = Batch(machine.context, machine.function, self.display.console, self.display.end)
        self.request = request
        self._waiting = configs
        self._next: Errand | None = None
        self._all_begun = False

    @property
    def stopping(self) -> bool:
        """Whether no job is to begin any more, and those that have are to stop."""
        return self.batch.failed_fast or self.request.by is not None

    def run(self) -> None:
        """Run them all, or until asked to stop."""
        asked = False
        while True:
            stopping = self.stopping
            if stopping and not asked:
                asked = True
                self.pool.interrupt()
            if not stopping:
                self._begin()
            if not self.pool.busy and (stopping or self._all_begun):
                return
            for errand, event in self.pool.events(_EVERY_S):
                self._hear(errand, event)
            self.display.tick()

    def _begin(self) -> None:
        """Begin jobs while there is room, in their order."""
        while not self.stopping:
            if self._next is None:
                config = next(self._waiting, None)
                if config is None:
                    self._all_begun = True
                    self.pool.end_spares()
                    return
                self._next = self._taken(config)
            elif self.pool.begin(self._next):
                self.display.begin(self._next.number, self._next.name)
                self._next = None
            else:
                return
            self.display.tick()

    def _taken(self, config: DictConfig) -> Errand | None:
        """Return what a worker is to do; ``None`` if it is nothing."""
        errand = self.batch.take(config)
        if errand is None:
            return None
        if json.loads(errand.line())["settings"] != errand.job.settings:
            self.batch.refuse(errand, RequestError("a mapping in the settings has a key that is not text"))
            return None
        if self.pool.slots.alone(errand.processes):
            room = f"there is room for {len(self.pool.slots.gpus)}"
            self.display.say(f"{errand.name}: runs alone, on {errand.processes} processes; {room}")
        return errand

    def _hear(self, errand: Errand, event: dict[str, Any]) -> None:
        match event:
            case {"step": step, "steps": steps, "accuracy": accuracy}:
                self.display.move(errand.number, step, steps, accuracy)
            case {"said": line}:
                self.display.say(line)
            case {"printed": line}:
                self.display.say(f"{errand.name}: {line}")
            case {"ended": state}:
                self.batch.end(errand, state)
            case {"refused": why}:
                self.batch.refuse(errand, RequestError(why))
            case {"raised": traceback}:
                self.display.say(f"{errand.name}: failed: {traceback.splitlines()[-1]}")
                self.batch.end(errand, "failed", RuntimeError(f"{errand.name}:\n{traceback}"))
            case {"died": how}:
                state = _mark(errand.job, "interrupted" if self.stopping else "failed", how)
                if state == "failed":
                    self.display.say(f"{errand.name}: failed: {how}")
                self.batch.end(errand, state)


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
