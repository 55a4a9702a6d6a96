"""Telling another process how a run goes on: events, a line of JSON each, through a pipe."""

import json
import os
import time
from io import TextIOBase
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from longlag.training.module import SequenceModule

_EVERY_S = 0.25  # how often a run says where it is


def send(descriptor: int, **event: Any) -> None:
    """Send an event. A short one goes in one piece, whoever else sends at the same time."""
    line = (json.dumps(event) + "\n").encode()
    while line:
        line = line[os.write(descriptor, line) :]


class Beacon(Callback):
    """Says where a run is, a few times a second: ``step``, ``steps`` and the latest validation ``accuracy``.

    Args:
        descriptor: where to.

    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._last = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say where it begins."""
        self._say(trainer, pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Say where it is, if it has not been said lately."""
        if time.monotonic() - self._last > _EVERY_S:
            self._say(trainer, pl_module)

    def _say(self, trainer: Trainer, module: LightningModule) -> None:
        assert isinstance(module, SequenceModule)
        self._last = time.monotonic()
        if trainer.is_global_zero:
            accuracy = module.measured.get("val/acc")
            send(self.descriptor, step=trainer.global_step, steps=trainer.max_steps, accuracy=accuracy)


class Told(TextIOBase):
    """A file whose lines are sent as events: ``said``.

    Args:
        descriptor: where to.

    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun = ""

    def write(self, text: str) -> int:
        """Send the lines that are whole now."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            send(self._descriptor, said=line)
        return len(text)
