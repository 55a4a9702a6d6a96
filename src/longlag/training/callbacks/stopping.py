"""Stop on a signal or out of time: the run ends between two steps, with a checkpoint from which it can go on."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Timer

from longlag.runs import RunFolder
from longlag.task.lightning_internals import batches_begun, validation_interval
from longlag.terminal import leave_closed_terminal

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # SIGHUP: the terminal was closed
_AHEAD_OF_TIME = signal.SIGUSR2  # of a batch system, before a job's time is over; only where it has a handler


class Interrupted(Exception):  # noqa: N818 -- an outcome of a run, not a fault of the program
    """The run was asked to stop; its last checkpoint holds its last step."""


class OutOfTime(Exception):  # noqa: N818 -- an outcome of a run, not a fault of the program
    """The time budget of the run is used; its last checkpoint holds its last step."""


def seconds_of(duration: Any) -> float | None:
    """Return a time budget in seconds; ``None`` for no budget.

    Args:
        duration: ``DD:HH:MM:SS``, or a mapping such as ``{hours: 2}``, as Lightning takes them; or ``None``.

    Raises:
        ValueError: it is no positive duration.

    """
    if duration is None:
        return None
    try:
        seconds = Timer(duration).time_remaining()
        if seconds is not None and seconds > 0:
            return seconds
    except Exception as error:
        cause: Exception | None = error
    else:
        cause = None
    raise ValueError(f"must be a time, 00:02:00:00 (DD:HH:MM:SS) or {{hours: 2}}, got {duration!r}") from cause


class StopRequest:
    """Records whether a signal has asked this process to stop; see :func:`stop_requests`."""

    def __init__(self) -> None:
        self.by: signal.Signals | None = None
        """The signal; ``None`` before one arrives."""
        main = threading.current_thread() is threading.main_thread()  # the only one that may
        self._before = {number: signal.getsignal(number) for number in _SIGNALS if main}
        if main and callable(signal.getsignal(_AHEAD_OF_TIME)):
            self._before[_AHEAD_OF_TIME] = signal.getsignal(_AHEAD_OF_TIME)

    def listen(self) -> None:
        """Handle the signals from now on."""
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._asked)

    def close(self) -> None:
        """Restore the handlers from before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self.by = signal.Signals(number)
        if number == signal.SIGHUP:
            leave_closed_terminal()
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """While the context lasts, the first SIGINT, SIGTERM or SIGHUP is a request to stop; a SIGINT after it interrupts.

    SIGUSR2 is a request too, if it has a handler: a batch system sends it before the time of a job is over.
    Ignored signals, as of a job in the background, stay ignored. Outside of the main thread, no signal is handled.
    """
    request = StopRequest()
    request.listen()
    try:
        yield request
    finally:
        request.close()


class StopWhenAsked(Callback):
    """End a run between two steps, with a checkpoint, when it is asked to stop or its time budget is used.

    Args:
        request: records whether it is asked.
        folder: of the checkpoint.
        max_time: the time budget, from the first step that this process trains; see :func:`seconds_of`.

    """

    def __init__(self, request: StopRequest, folder: RunFolder, max_time: Any = None) -> None:
        self.request = request
        self.folder = folder
        self.max_time = max_time
        self._seconds = seconds_of(max_time)
        self._started = 0.0
        self._trained = (
            False  # whether this process has trained a batch: each start takes a step, however short its time
        )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock, and handle the signals again: Lightning's handler for SIGTERM ends a run in mid-interval."""
        self._started, self._trained = time.monotonic(), False
        if self.request.by is None:
            self.request.listen()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """If it is time, save and stop; not within accumulated batches, nor before a validation.

        Raises:
            Interrupted: the run was asked to stop.
            OutOfTime: its time budget is used.

        """
        self._trained = True
        batches = batches_begun(trainer)
        whole_step = batches % trainer.accumulate_grad_batches == 0
        if whole_step and not _validated_after(batches, trainer) and (end := self._end(trainer)) is not None:
            trainer.save_checkpoint(self.folder.last_checkpoint)
            raise end

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """If it is time, stop after a validation, which has saved a checkpoint.

        Raises:
            Interrupted: the run was asked to stop.
            OutOfTime: its time budget is used.

        """
        batches = batches_begun(trainer) - 1  # before this one
        if batches and _validated_after(batches, trainer) and (end := self._end(trainer)) is not None:
            raise end

    def _end(self, trainer: Trainer) -> Interrupted | OutOfTime | None:
        """Return how the run is to end now; ``None`` if it goes on. All devices return the same."""
        asked = self.request.by is not None
        late = self._seconds is not None and time.monotonic() - self._started >= self._seconds
        over = late and self._trained
        if not _any(asked or over, trainer):
            return None
        if _any(asked, trainer):
            return Interrupted(f"asked to stop at step {trainer.global_step}")
        return OutOfTime(f"trainer.max_time={self.max_time} is over at step {trainer.global_step}")


def _any(value: bool, trainer: Trainer) -> bool:
    """Return whether a value is true on any device."""
    return value if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(value, all=False)


def _validated_after(batches: int, trainer: Trainer) -> bool:
    """Return whether a validation follows this number of training batches."""
    every = validation_interval(trainer)
    return isinstance(every, int) and batches % every == 0
