"""Worker processes that serve one job after the other, and what they tell."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from longlag.cli import processes
from longlag.cli.errands import Errand
from longlag.cli.slots import Slots

_GRACE_S = 1.0  # how long a worker may take to end after the second interrupt


class Pool:
    """The workers of a machine. They stay, warm, from job to job; one that dies costs its job and is replaced.

    Args:
        slots: the parts of the machine.
        gpus: all its GPUs that may be used.

    """

    def __init__(self, slots: Slots, gpus: list[str]) -> None:
        self.slots = slots
        self._gpus = gpus
        self._workers: dict[int, _Worker] = {}
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
            worker = self._workers[taken[0]] = _Worker(wanted)
        self._taken[taken[0]] = taken
        worker.give(errand)
        return True

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


class _Worker:
    """One worker process, seen from outside.

    Args:
        environment: variables by which it keeps to its part of the machine.

    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.errand: Errand | None = None
        self.ready = False
        reading, writing = os.pipe()
        try:
            # in a process group of its own, so that a Ctrl-C in the terminal reaches it through us
            self.process = subprocess.Popen(
                processes.command("longlag.cli.worker", str(writing)),
                env={**processes.environment(), **environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                process_group=0,
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        assert self.process.stdout is not None
        self._events, self._output = _Pipe(reading), _Pipe(os.dup(self.process.stdout.fileno()))
        self.process.stdout.close()

    def give(self, errand: Errand) -> None:
        """Give it a job; that it has died is seen later."""
        self.errand = errand
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{errand.line()}\n".encode())
            self.process.stdin.flush()

    def heard(self) -> Iterator[dict[str, Any]]:
        """Yield what it has told and printed since."""
        printed, told = list(self._output.lines()), list(self._events.lines())
        for line in printed:
            yield {"printed": line}
        for line in told:
            event: dict[str, Any] = json.loads(line)
            self.ready = True
            if "ready" not in event:
                yield event

    def open_pipes(self) -> list["_Pipe"]:
        """Return the pipes by which it may still be heard."""
        return [pipe for pipe in (self._events, self._output) if pipe.open]

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is there."""
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """Tell it that no more jobs come."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def close(self) -> None:
        """End it; it is at no job."""
        self.hang_up()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:  # a thread of somebody's keeps it
            self.process.kill()
            self.process.wait()
        self._events.close()
        self._output.close()


class _Pipe:
    """The reading end of a pipe, without waiting.

    Args:
        descriptor: of it.

    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.open = True
        self._begun = b""
        os.set_blocking(descriptor, False)

    def lines(self) -> Iterator[str]:
        """Yield the lines that are there; at its end the last one, whole or not."""
        pieces: deque[bytes] = deque([self._begun])
        while self.open:
            try:
                piece = os.read(self.descriptor, 1 << 16)
            except BlockingIOError:
                break
            self.open = bool(piece)
            pieces.append(piece)
        *whole, self._begun = b"".join(pieces).split(b"\n")
        if not self.open and self._begun:
            whole, self._begun = [*whole, self._begun], b""
        yield from (line.decode(errors="replace") for line in whole)

    def close(self) -> None:
        """Close it."""
        self.open = False
        os.close(self.descriptor)


def _told(code: int) -> str:
    """Return how a process ended."""
    if code >= 0:
        return f"its process ended with the exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
    hint = ", perhaps for want of memory" if name == "SIGKILL" else ""
    return f"its process was killed by {name}{hint}"
