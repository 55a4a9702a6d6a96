"""Stopping when asked to: a signal ends a run between two steps, with a checkpoint to go on from."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from longlag.runs import RunFolder

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AHEAD_OF_TIME = signal.SIGUSR2  # a batch system's, before a job's time is over; only where somebody reckons with it


class Interrupted(Exception):  # noqa: N818 -- an outcome of a run, not a fault of the program
    """The run was asked to stop, and its last checkpoint is of the step that it had come to."""


class StopRequest:
    """Whether this process has been asked to stop; see :func:`stop_requests`."""

    def __init__(self) -> None:
        self.by: signal.Signals | None = None
        """The signal that asked; ``None`` if none has."""
        main = threading.current_thread() is threading.main_thread()  # the only one that may
        self._before = {number: signal.getsignal(number) for number in _SIGNALS if main}
        if main and callable(signal.getsignal(_AHEAD_OF_TIME)):
            self._before[_AHEAD_OF_TIME] = signal.getsignal(_AHEAD_OF_TIME)

    def listen(self) -> None:
        """Take signals from now on, whoever took them before."""
        for number, handler in self._before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._asked)

    def close(self) -> None:
        """Put back who took them before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self.by = signal.Signals(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """While the context lasts, take the first SIGINT or SIGTERM as a request; a SIGINT after it interrupts at once.

    A SIGUSR2 likewise, where it has a handler: that of a batch system, which sends it before a job's time is over.
    Signals that are ignored, as by a job in the background, stay ignored. Outside of the main thread nothing is done.
    """
    request = StopRequest()
    request.listen()
    try:
        yield request
    finally:
        request.close()


class StopWhenAsked(Callback):
    """End a run between two steps when it is asked to stop, with a checkpoint.

    Args:
        request: tells whether it is.
        folder: where the checkpoint goes.

    """

    def __init__(self, request: StopRequest, folder: RunFolder) -> None:
        self.request = request
        self.folder = folder

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen again: Lightning has put a handler of its own on SIGTERM, which would end the run in mid-interval."""
        if self.request.by is None:
            self.request.listen()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Save and stop, if asked to, where no step is half made and no validation is due; all devices together.

        Raises:
            Interrupted: it was asked to.

        """
        batches = trainer.fit_loop.total_batch_idx + 1
        whole_step = batches % trainer.accumulate_grad_batches == 0
        if whole_step and not _validated_after(batches, trainer) and self._asked(trainer):
            trainer.save_checkpoint(self.folder.last_checkpoint)
            raise Interrupted(f"asked to stop at step {trainer.global_step}")

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Stop, if asked to, after a validation, which has saved a checkpoint.

        Raises:
            Interrupted: it was asked to.

        """
        batches = trainer.fit_loop.total_batch_idx  # before this one
        if batches and _validated_after(batches, trainer) and self._asked(trainer):
            raise Interrupted(f"asked to stop at step {trainer.global_step}")

    def _asked(self, trainer: Trainer) -> bool:
        asked = self.request.by is not None
        return asked if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(asked, all=False)


def _validated_after(batches: int, trainer: Trainer) -> bool:
    """Say whether there is a validation after so many training batches."""
    every = trainer.val_check_batch
    return isinstance(every, int) and batches % every == 0
