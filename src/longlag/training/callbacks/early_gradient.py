"""The early gradient of a run: the probe that records it."""

from longlag.flow.early_gradient import early_gradient
from longlag.task import Batch
from longlag.training.callbacks.probe import Probe
from longlag.training.module import SequenceModule


class EarlyGradient(Probe):
    """Record the early gradient, before training and at every validation: see :mod:`longlag.flow.early_gradient`.

    Args:
        size: the number of sequences in the probe batch.

    Raises:
        ValueError: ``size`` is not a positive integer.

    """

    def measure(self, module: SequenceModule, batch: Batch) -> dict[str, float]:
        """Return ``early_gradient``."""
        return {"early_gradient": early_gradient(module.model, batch.inputs, batch.lengths, batch.mask)}
