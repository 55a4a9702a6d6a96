"""Probes: measurements beside the loss, on a fixed batch, before the first step and at every validation."""

from abc import ABC, abstractmethod
from typing import ClassVar

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from longlag.checks import check_positive
from longlag.metric import Metric
from longlag.task import Batch
from longlag.training.module import SequenceModule


class Probe(Callback, ABC):
    """Measure something on a fixed probe batch, at initialisation and at every validation.

    The probe batch is a split of the task, ``probe``: the same for all runs of one seed, and on all devices.

    Args:
        size: the number of sequences in the probe batch.

    Raises:
        ValueError: ``size`` is not a positive integer.

    """

    metrics: ClassVar[tuple[Metric, ...]] = ()
    """The declarations of what :meth:`measure` returns beside :mod:`longlag.built_in_metrics`."""

    def __init__(self, size: int) -> None:
        check_positive("size", size)
        self.size = size
        self.first: dict[str, float] = {}
        """The values at initialisation."""
        self.last: dict[str, float] = {}
        """The latest values."""
        self._batch: Batch | None = None

    @abstractmethod
    def measure(self, module: SequenceModule, batch: Batch) -> dict[str, float]:
        """Return the value of each metric by its key; the model stays as it is."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure before the first step."""
        if trainer.global_step == 0:
            self._measure(pl_module)
            self.first = self.last

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure with the weights of this validation."""
        if not trainer.sanity_checking:
            self._measure(pl_module)

    def state_dict(self) -> dict[str, dict[str, float]]:
        """Return the first and the latest values, for a resumed run."""
        return {"first": self.first, "last": self.last}

    def load_state_dict(self, state_dict: dict[str, dict[str, float]]) -> None:
        """Restore the first and the latest values."""
        self.first, self.last = state_dict["first"], state_dict["last"]

    def batch(self, module: SequenceModule) -> Batch:
        """Return the probe batch, drawn at the first call."""
        if self._batch is None:
            self._batch = module.task.draw("probe", 0, self.size).to(module.device)
        return self._batch

    def _measure(self, module: LightningModule) -> None:
        assert isinstance(module, SequenceModule)
        self.last = self.measure(module, self.batch(module))
        module.record(self.last)
