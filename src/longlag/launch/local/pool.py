"""The workers of a machine, and the job or the population that each of them runs."""

import selectors
import signal
import time
from collections.abc import Iterator

from longlag.jobs.messages import Died, Ended, Event, Over, Raised, Refused
from longlag.launch.assignment import Assignment
from longlag.launch.local.slots import Slots
from longlag.launch.local.spares import take_spare
from longlag.launch.local.worker_process import Worker
from longlag.launch.queued_job import QueuedJob

_GRACE_S = 1.0  # how long a worker may take to end after the second interrupt


class Pool:
    """The workers of a machine. They stay, warm, from job to job; one that dies costs what it runs and is replaced.

    Args:
        slots: the parts of the machine.
        gpus: all GPUs of the machine that may be used.

    """

    def __init__(self, slots: Slots, gpus: list[str]) -> None:
        self.slots = slots
        self._gpus = gpus
        self._workers: dict[int, Worker] = {}
        self._given: dict[int, Assignment] = {}  # slot -> what the worker runs that is in this slot
        self._left: dict[int, set[int]] = {}  # the same slot -> those of its jobs that have not ended, by their places
        self._slots: dict[int, tuple[int, ...]] = {}  # the same slot -> all slots of this job

    @property
    def busy(self) -> bool:
        """Whether a worker is running something."""
        return bool(self._given)

    def begin(self, assignment: Assignment) -> bool:
        """Give a job or a population to a worker, if there is room; return whether there was."""
        taken = {slot for slots in self._slots.values() for slot in slots}
        slots = self.slots.taken_by(assignment.processes, set(range(len(self.slots.gpus))) - taken)
        if slots is None:
            return False
        alone = self.slots.alone(assignment.processes)
        environment = self.slots.environment(slots, self._gpus if alone else ())
        first = slots[0]
        worker = self._workers.get(first)
        if worker is None or worker.process.poll() is not None or worker.environment != environment:
            if worker is not None:
                worker.close()
            worker = self._workers[first] = take_spare(environment) or Worker(environment)
        self._given[first], self._slots[first] = assignment, slots
        self._left[first] = set(range(len(assignment.jobs)))
        worker.give(assignment.order())
        return True

    def events(self, timeout: float) -> Iterator[tuple[Assignment, Event]]:
        """Yield each event with what the worker runs; wait for one if there is none.

        The last event of a job is one of ``Ended``, ``Refused``, ``Raised`` and ``Died``. After an interrupt, members
        of a population that had not begun have none.

        Args:
            timeout: the most seconds to wait.

        """
        with selectors.DefaultSelector() as selector:
            for slot in self._given:
                for pipe in self._workers[slot].open_pipes():
                    selector.register(pipe.descriptor, selectors.EVENT_READ)
            if selector.get_map():
                selector.select(timeout)
            else:
                time.sleep(timeout)
        for slot, assignment in list(self._given.items()):
            worker = self._workers[slot]
            exit_code = worker.process.poll()
            for event in worker.events():
                if isinstance(event, Over):
                    self._release(slot)
                    continue
                if isinstance(event, Ended | Refused | Raised):
                    self._left[slot].discard(event.member)
                yield assignment, event
            if slot in self._given and exit_code is not None:
                left = self._release(slot)
                self._workers.pop(slot).close()
                for member in sorted(left):
                    yield assignment, Died(_how_ended(exit_code), member)

    def _release(self, slot: int) -> set[int]:
        """Free the slots of what a worker has run; return those of its jobs that have not ended."""
        del self._given[slot], self._slots[slot]
        return self._left.pop(slot)

    def interrupt(self) -> None:
        """Ask the jobs to stop: each saves a checkpoint and ends. A worker that is still starting is killed."""
        for slot in self._given:
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
        unfinished = [self._given[slot].jobs[member] for slot, left in self._left.items() for member in sorted(left)]
        for each in (self._given, self._left, self._slots):
            each.clear()
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
