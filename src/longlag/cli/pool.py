"""The workers of a machine, and which job each of them is at."""

import selectors
import signal
import time
from collections.abc import Iterator
from typing import Any

from longlag.cli.errands import Errand
from longlag.cli.slots import Slots
from longlag.cli.workers import Worker

_GRACE_S = 1.0  # how long a worker may take to end after the second interrupt


class Pool:
    """The workers of a machine. They stay, warm, from job to job; one that dies costs its job and is replaced.

    Args:
        slots: the parts of the machine.
        gpus: all its GPUs that may be used.
        spares: workers that have been started already; those that are of use are taken out.

    """

    def __init__(self, slots: Slots, gpus: list[str], spares: list[Worker]) -> None:
        self.slots = slots
        self._gpus = gpus
        self._spares = spares
        self._workers: dict[int, Worker] = {}
        self._taken: dict[int, tuple[int, ...]] = {}  # by a job, which is at the worker of the first

    @property
    def busy(self) -> bool:
        """Whether a job is being run."""
        return bool(self._taken)

    def begin(self, errand: Errand) -> bool:
        """Give a job to a worker; say whether there was room for it."""
        held = {slot for taken in self._taken.values() for slot in taken}
        taken = self.slots.taken_by(errand.processes, set(range(len(self.slots.gpus))) - held)
        if taken is None:
            return False
        alone = self.slots.alone(errand.processes)
        wanted = self.slots.environment(taken, self._gpus if alone else ())
        worker = self._workers.get(taken[0])
        if worker is None or worker.process.poll() is not None or worker.environment != wanted:
            if worker is not None:
                worker.close()
            worker = self._workers[taken[0]] = self._spare(wanted) or Worker(wanted)
        self._taken[taken[0]] = taken
        worker.give(errand)
        return True

    def end_spares(self) -> None:
        """End the workers that there is no job for."""
        while self._spares:
            self._spares.pop().kill()

    def _spare(self, environment: dict[str, str]) -> Worker | None:
        """Take a worker that has been started already, if there is one with this environment."""
        for k, worker in enumerate(self._spares):
            if worker.environment == environment and worker.process.poll() is None:
                return self._spares.pop(k)
        return None

    def events(self, timeout: float) -> Iterator[tuple[Errand, dict[str, Any]]]:
        """Yield what has happened, job by job; wait for it if nothing has.

        An event has one of the keys ``step`` (with ``steps`` and ``accuracy``), ``said`` (a line), ``printed`` (a line
        that is not longlag's) and, at the end, ``ended`` (the state), ``refused`` (why), ``raised`` (a traceback) or
        ``died`` (how its process ended).

        Args:
            timeout: how many seconds to wait at most.

        """
        with selectors.DefaultSelector() as selector:
            for slot in self._taken:
                for pipe in self._workers[slot].open_pipes():
                    selector.register(pipe.descriptor, selectors.EVENT_READ)
            if selector.get_map():
                selector.select(timeout)
            else:
                time.sleep(timeout)
        for slot in list(self._taken):
            worker = self._workers[slot]
            errand, died = worker.errand, worker.process.poll()
            assert errand is not None
            for event in worker.heard():
                if event.keys() & {"ended", "refused", "raised"}:
                    worker.errand = None
                    del self._taken[slot]
                yield errand, event
            if worker.errand is not None and died is not None:
                del self._taken[slot]
                self._workers.pop(slot).close()
                yield errand, {"died": _told(died)}

    def interrupt(self) -> None:
        """Ask the jobs to stop; each saves where it is, and ends. One whose worker is still starting has not begun."""
        for slot in self._taken:
            worker = self._workers[slot]
            worker.signal(signal.SIGINT if worker.ready else signal.SIGKILL)

    def kill(self) -> list[Errand]:
        """End all workers at once, and return the jobs that they were at."""
        self.interrupt()
        deadline = time.monotonic() + _GRACE_S
        while self.busy and time.monotonic() < deadline:
            for _ in self.events(timeout=0.02):
                pass  # nobody is shown it any more
        for worker in self._workers.values():
            worker.signal(signal.SIGKILL)
        errands = [worker.errand for worker in self._workers.values() if worker.errand is not None]
        self._taken.clear()
        self.close()
        return errands

    def close(self) -> None:
        """End the workers, which are at no job any more."""
        for worker in self._workers.values():
            worker.hang_up()
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()


def _told(code: int) -> str:
    """Return how a process ended."""
    if code >= 0:
        return f"its process ended with the exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
    hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{hint}"
