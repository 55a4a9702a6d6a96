"""Record which engine, processor and PyTorch train which steps of a run; the checkpoint keeps the record."""

import logging
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from longlag.runs import Segment
from longlag.runs.provenance import processor
from longlag.training.module import SequenceModule

_log = logging.getLogger("longlag")


class Segments(Callback):
    """The segments of a run, each trained by one engine on one kind of processor with one PyTorch.

    A run that goes on where one of these differs gets a new segment, and a warning in ``train.log``: its weights differ
    by rounding from those of a run that nobody interrupted.
    """

    def __init__(self) -> None:
        self.known: list[Segment] = []
        self._before = 0
        self._begun = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note at which step this process begins."""
        self._before, self._begun = trainer.global_step, False

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """After the first step, when the engine is known, begin a segment unless the last one has the same."""
        if self._begun:
            return
        self._begun = True
        assert isinstance(pl_module, SequenceModule)
        used = pl_module.model.engines[0].used
        if used is None:
            return
        segment = Segment(self._before, used.name, used.level, processor(), str(torch.__version__))
        last = self.known[-1] if self.known else None
        if last is None or segment.differs_from(last):
            self.known.append(segment)
            if last is not None:
                _log.warning("from step %s on the run is trained by %s; before, by %s", self._before, segment, last)

    def state_dict(self) -> dict[str, Any]:
        """Return the record, for the checkpoint."""
        return {"segments": [segment.to_dict() for segment in self.known]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the record from a checkpoint."""
        self.known = [Segment(**segment) for segment in state_dict["segments"]]
