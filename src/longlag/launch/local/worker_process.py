"""A worker process, seen from the command that started it."""

import contextlib
import os
import signal
import subprocess
from collections import deque
from collections.abc import Iterator

from longlag.jobs import child_process
from longlag.jobs.messages import Event, Order, Printed, Ready, event_from_line, order_line


class Worker:
    """One worker process.

    Args:
        environment: variables that keep it to its part of the machine.

    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.ready = False
        reading, writing = os.pipe()
        try:
            # in a process group of its own, so that a Ctrl-C in the terminal reaches it through us
            self.process = subprocess.Popen(
                child_process.command("longlag.launch.local.worker_main", str(writing)),
                env={**child_process.environment(), **environment, "PYTHONUNBUFFERED": "1"},
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

    def give(self, order: Order) -> None:
        """Send a job or a population. If the worker is dead, ``process.poll()`` tells."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(f"{order_line(order)}\n".encode())
            self.process.stdin.flush()

    def events(self) -> Iterator[Event]:
        """Yield the events since the last call; ``Ready`` sets :attr:`ready` and is left out."""
        printed, lines = list(self._output.lines()), list(self._events.lines())
        for line in printed:
            yield Printed(line)
        for line in lines:
            event = event_from_line(line)
            self.ready = True
            if not isinstance(event, Ready):
                yield event

    def open_pipes(self) -> list["_Pipe"]:
        """Return the pipes that may still bring something."""
        return [pipe for pipe in (self._events, self._output) if pipe.open]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process is there."""
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """Close the pipe of orders: a worker without a job then ends."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def kill(self) -> None:
        """End a worker that has no job at once."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        """End a worker that has no job, and close its pipes."""
        self.hang_up()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:  # a reader's own thread keeps the process
            self.process.kill()
            self.process.wait()
        self._events.close()
        self._output.close()


class _Pipe:
    """The reading end of a pipe, read without waiting.

    Args:
        descriptor: of the end.

    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.open = True
        self._begun = b""
        os.set_blocking(descriptor, False)

    def lines(self) -> Iterator[str]:
        """Yield the complete lines that have arrived; at the end of the pipe the last line too, complete or not."""
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
