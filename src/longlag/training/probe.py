"""What is measured beside the loss: on a fixed batch, before the first step and at every validation."""

from abc import ABC, abstractmethod

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from longlag.bounds import check_positive
from longlag.task import Batch
from longlag.training.module import SequenceModule


class Probe(Callback, ABC):
    """Measure something on a fixed probe batch, at initialisation and at every validation.

    The probe batch is the task's own ``probe`` split, so it is the same for all runs of one seed, and on all devices.

    Args:
        size: the number of sequences in the probe batch.

    Raises:
        ValueError: ``size`` is not a positive integer.

    """

    def __init__(self, size: int) -> None:
        check_positive("size", size)
        self.size = size
        self.first: dict[str, float] = {}
        """What was measured at initialisation."""
        self.last: dict[str, float] = {}
        """What was measured last."""
        self._batch: Batch | None = None

    @abstractmethod
    def measure(self, module: SequenceModule, batch: Batch) -> dict[str, float]:
        """Return figures, by the names under which they are recorded; the model is left as it was."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure before the first step."""
        if trainer.global_step == 0:
            self._measure(pl_module)
            self.first = self.last

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure with the weights that are being validated."""
        self._measure(pl_module)

    def state_dict(self) -> dict[str, dict[str, float]]:
        """Return what a resumed run must still know."""
        return {"first": self.first, "last": self.last}

    def load_state_dict(self, state_dict: dict[str, dict[str, float]]) -> None:
        """Restore it."""
        self.first, self.last = state_dict["first"], state_dict["last"]

    def _measure(self, module: LightningModule) -> None:
        assert isinstance(module, SequenceModule)
        if self._batch is None:
            self._batch = module.task.draw("probe", 0, self.size).to(module.device)
        self.last = self.measure(module, self._batch)
        module.record(self.last)
