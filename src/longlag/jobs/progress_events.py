"""Sending the progress of a run to another process."""

import time
from io import TextIOBase

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from longlag.jobs.messages import Moved, Said, send
from longlag.training.module import SequenceModule

_EVERY_S = 0.25  # the least time between two messages


class ProgressSender(Callback):
    """Sends :class:`~longlag.jobs.messages.Moved` a few times a second.

    Args:
        descriptor: of the pipe.
        member: the number of the run among those of its process.

    """

    def __init__(self, descriptor: int, member: int = 0) -> None:
        self.descriptor = descriptor
        self.member = member
        self._last = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Send the first step."""
        self._send(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Send the step, unless another one was sent a moment ago."""
        if time.monotonic() - self._last > _EVERY_S:
            self._send(trainer, pl_module)

    def _send(self, trainer: Trainer, module: LightningModule) -> None:
        assert isinstance(module, SequenceModule)
        self._last = time.monotonic()
        if trainer.is_global_zero:
            accuracy = module.measured.get("val/acc")
            send(self.descriptor, Moved(trainer.global_step, trainer.max_steps, accuracy, self.member))


class LineSender(TextIOBase):
    """A text file that sends each line as :class:`~longlag.jobs.messages.Said`.

    Args:
        descriptor: of the pipe.

    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun = ""

    def write(self, text: str) -> int:
        """Send the lines that are complete."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            send(self._descriptor, Said(line))
        return len(text)
