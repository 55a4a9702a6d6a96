"""Means of figures over sequences."""

from collections.abc import Mapping

from torch import Tensor
from torchmetrics import MeanMetric


class Means:
    """The mean of each figure that a task's ``judge`` returns, over all sequences and all devices."""

    def __init__(self) -> None:
        self.metrics: dict[str, MeanMetric] = {}

    def update(self, figures: Mapping[str, Tensor]) -> None:
        """Take the figures of some sequences, [B] each."""
        for name, values in figures.items():
            if name not in self.metrics:
                self.metrics[name] = MeanMetric(nan_strategy="disable").to(values.device)  # NaN is a result
            if len(values):
                self.metrics[name].update(values)

    def compute(self) -> dict[str, float]:
        """Return the means."""
        return {name: metric.compute().item() for name, metric in self.metrics.items()}

    def reset(self) -> None:
        """Forget the sequences."""
        for metric in self.metrics.values():
            metric.reset()
