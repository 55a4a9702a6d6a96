"""Worker processes that serve one job after the other, seen from outside, and what they tell."""

import contextlib
import json
import os
import signal
import subprocess
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from longlag.cli import processes

if TYPE_CHECKING:
    from longlag.cli.errands import Errand  # which imports torch, and that takes seconds


class Worker:
    """One worker process.

    Args:
        environment: variables by which it keeps to its part of the machine.

    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.errand: Errand | None = None
        """The job that it is at."""
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

    def give(self, errand: "Errand") -> None:
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

    def kill(self) -> None:
        """End it at once; it is at no job."""
        self.process.kill()
        self.close()

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
