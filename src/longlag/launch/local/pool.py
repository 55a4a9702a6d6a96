"""The workers of a machine, and the job that each of them runs."""

import selectors
import signal
import time
from collections.abc import Iterator

from longlag.jobs.messages import Died, Ended, Event, Raised, Refused
from longlag.launch.local.slots import Slots
from longlag.launch.local.spares import take_spare
from longlag.launch.local.worker_process import Worker
from longlag.launch.queued_job import QueuedJob

_GRACE_S = 1.0  # how long a worker may take to end after the second interrupt


class Pool:
    """The workers of a machine. They stay, warm, from job to job; one that dies costs its job and is replaced.

    Args:
        slots: the parts of the machine.
        gpus: all GPUs of the machine that may be used.

    """

    def __init__(self, slots: Slots, gpus: list[str]) -> None:
        self.slots = slots
        self._gpus = gpus
        self._workers: dict[int, Worker] = {}
        self._jobs: dict[int, QueuedJob] = {}  # slot -> the job of the worker that is in this slot
        self._slots: dict[int, tuple[int, ...]] = {}  # the same slot -> all slots of this job

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return bool(self._jobs)

    def begin(self, queued: QueuedJob) -> bool:
        """Give a job to a worker, if there is room; return whether there was."""
        taken = {slot for slots in self._slots.values() for slot in slots}
        slots = self.slots.taken_by(queued.processes, set(range(len(self.slots.gpus))) - taken)
        if slots is None:
            return False
        alone = self.slots.alone(queued.processes)
        environment = self.slots.environment(slots, self._gpus if alone else ())
        first = slots[0]
        worker = self._workers.get(first)
        if worker is None or worker.process.poll() is not None or worker.environment != environment:
            if worker is not None:
                worker.close()
            worker = self._workers[first] = take_spare(environment) or Worker(environment)
        self._jobs[first], self._slots[first] = queued, slots
        worker.give(queued.order())
        return True

    def events(self, timeout: float) -> Iterator[tuple[QueuedJob, Event]]:
        """Yield each event with its job; wait for one if there is none.

        The last event of a job is one of ``Ended``, ``Refused``, ``Raised`` and ``Died``.

        Args:
            timeout: the most seconds to wait.

        """
        with selectors.DefaultSelector() as selector:
            for slot in self._jobs:
                for pipe in self._workers[slot].open_pipes():
                    selector.register(pipe.descriptor, selectors.EVENT_READ)
            if selector.get_map():
                selector.select(timeout)
            else:
                time.sleep(timeout)
        for slot, queued in list(self._jobs.items()):
            worker = self._workers[slot]
            exit_code = worker.process.poll()
            for event in worker.events():
                if isinstance(event, Ended | Refused | Raised):
                    self._release(slot)
                yield queued, event
            if slot in self._jobs and exit_code is not None:
                self._release(slot)
                self._workers.pop(slot).close()
                yield queued, Died(_how_ended(exit_code))

    def _release(self, slot: int) -> None:
        del self._jobs[slot], self._slots[slot]

    def interrupt(self) -> None:
        """Ask the jobs to stop: each saves a checkpoint and ends. A worker that is still starting is killed."""
        for slot in self._jobs:
            worker = self._workers[slot]
            worker.signal(signal.SIGINT if worker.ready else signal.SIGKILL)

    def kill(self) -> list[QueuedJob]:
        """End all workers at once, and return the jobs that they have not finished."""
        self.interrupt()
        deadline = time.monotonic() + _GRACE_S
        while self.busy and time.monotonic() < deadline:
            for _ in self.events(timeout=0.02):
                pass  # the display is gone
        for worker in self._workers.values():
            worker.signal(signal.SIGKILL)
        unfinished = list(self._jobs.values())
        self._jobs.clear()
        self._slots.clear()
        self.close()
        return unfinished

    def close(self) -> None:
        """End the workers; none of them has a job any more."""
        for worker in self._workers.values():
            worker.hang_up()
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()


def _how_ended(code: int) -> str:
    """Return how a process ended."""
    if code >= 0:
        return f"its process ended with the exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
    hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{hint}"
