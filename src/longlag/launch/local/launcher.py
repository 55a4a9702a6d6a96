"""``hydra/launcher=local``: the jobs of a grid on one machine, several at once."""

import os
from collections.abc import Iterator
from dataclasses import replace

import torch
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig
from rich.console import Console

from longlag.errors import RequestError
from longlag.jobs.job import Job
from longlag.jobs.messages import (
    Died,
    Ended,
    Event,
    Moved,
    Printed,
    Raised,
    Refused,
    Said,
    order_from_line,
    order_line,
)
from longlag.launch.assignment import Assignment
from longlag.launch.batch import Batch
from longlag.launch.grid_display import GridDisplay
from longlag.launch.local.pool import Pool
from longlag.launch.local.slots import cores, gpus, on_gpu, slots_of
from longlag.launch.local.spares import end_spares
from longlag.launch.populations import assignments
from longlag.launch.queued_job import QueuedJob
from longlag.launch.session import session
from longlag.runs import DamagedRunError, Status
from longlag.runs.claim import Claim, HeldError
from longlag.runs.status import State, now
from longlag.training.callbacks.stopping import StopRequest, stop_requests

_EVERY_S = 0.1  # between two looks at the display and the signals


class LocalMachine:
    """The machine with its workers, which stay warm from one batch of jobs to the next until the command ends.

    Args:
        jobs: the number of jobs at once; ``None``: as many as there is room for.
        threads: of each process.
        jobs_per_gpu: the number of jobs that share a GPU.
        context: Hydra's own.
        function: Hydra's task function, for its callbacks.

    Raises:
        RequestError: a figure is wrong.

    """

    def __init__(
        self, jobs: int | None, threads: int, jobs_per_gpu: int, context: HydraContext, function: TaskFunction
    ) -> None:
        self.context = context
        self.function = function
        count = torch.cuda.device_count()
        want_gpu = [on_gpu(job.settings, count) for job in session().grid.values()]
        usable = gpus(os.environ, count) if count and (any(want_gpu) or not want_gpu) else []
        self.pool = Pool(slots_of(jobs, threads, jobs_per_gpu, cores(), usable), usable)
        session().closing.callback(self.pool.close)
        if usable:  # the spares have no GPU
            end_spares()
        self.display = GridDisplay(Console(stderr=True), 0, len(self.pool.slots.gpus))

    def launch(self, configs: Iterator[DictConfig], count: int, total: int) -> list[JobReturn]:
        """Run jobs, and return the result of each for Hydra's sweeper, in their order.

        Args:
            configs: of the jobs, with Hydra's own node; each is composed when its turn comes.
            count: the number of jobs.
            total: the same, with those of earlier batches.

        Raises:
            KeyboardInterrupt: the command was asked to stop.
            SystemExit: a job failed, and ``fail_fast`` is set.

        """
        self.display.total = max(total, session().jobs)
        with stop_requests() as request, self.display:
            work = _Work(self, configs, count, request)
            try:
                work.run()
            except BaseException:  # the second interrupt, or a fault of ours
                for queued in self.pool.kill():
                    _mark(queued.job, "interrupted", "it was cut off with the command")
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
        count: the number of jobs.
        request: to stop.

    """

    def __init__(self, machine: LocalMachine, configs: Iterator[DictConfig], count: int, request: StopRequest) -> None:
        self.pool, self.display = machine.pool, machine.display
        self.batch = Batch(self.display.console, machine.context, machine.function, self.display.end)
        self.request = request
        slots = len(self.pool.slots.gpus)
        self._waiting = assignments(self._take, configs, count, lambda jobs, at_once: slots, self.batch.say)
        self._next: Assignment | None = None
        self._all_begun = False

    @property
    def stopping(self) -> bool:
        """Whether no further job begins, and the running ones are to stop."""
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
            for assignment, event in self.pool.events(_EVERY_S):
                self._handle(assignment, event)
            self.display.tick()

    def _begin(self) -> None:
        """Begin jobs while there is room, in their order."""
        while not self.stopping:
            if self._next is None:
                try:
                    self._next = next(self._waiting)
                except StopIteration:
                    self._all_begun = True
                    end_spares()
                    return
            elif self.pool.begin(self._next):
                self.display.begin([queued.number for queued in self._next.jobs], self._next.name)
                self._next = None
            else:
                return
            self.display.tick()

    def _take(self, config: DictConfig) -> QueuedJob | None:
        """Return the job for a worker; ``None`` if there is nothing to run."""
        queued = self.batch.take(config)
        if queued is None:
            return None
        order = Assignment((queued,)).order()
        if order_from_line(order_line(order)) != order:
            self.batch.refuse(queued, RequestError("a mapping in the settings has a key that is not text"))
            return None
        if self.pool.slots.alone(queued.processes):
            room = f"there is room for {len(self.pool.slots.gpus)}"
            self.display.say(f"{queued.name}: runs alone, on {queued.processes} processes; {room}")
        return queued

    def _handle(self, assignment: Assignment, event: Event) -> None:
        match event:
            case Said(line):
                self.display.say(line)
            case Printed(line):
                self.display.say(f"{assignment.name}: {line}")
            case Moved(step, steps, accuracy, member):
                self.display.move(assignment.jobs[member].number, step, steps, accuracy)
            case Ended(state, member):
                self.batch.end(assignment.jobs[member], state)
            case Refused(reason, member):
                self.batch.refuse(assignment.jobs[member], RequestError(reason))
            case Raised(traceback, member):
                name = assignment.jobs[member].name
                self.display.say(f"{name}: failed: {traceback.splitlines()[-1]}")
                self.batch.end(assignment.jobs[member], "failed", RuntimeError(f"{name}:\n{traceback}"))
            case Died(reason, member):
                self._died(assignment.jobs[member], reason)

    def _died(self, queued: QueuedJob, reason: str) -> None:
        state = _mark(queued.job, "interrupted" if self.stopping else "failed", reason)
        if state == "failed":
            self.display.say(f"{queued.name}: failed: {reason}")
        self.batch.end(queued, state)


def _mark(job: Job, state: State, reason: str) -> str:
    """Write into a run's folder how it ended, if its own process has not; return the state of the run."""
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
    except HeldError:  # another process was first
        return "refused"
    except DamagedRunError:  # something else than a run has come into the folder
        return state
    return state
