"""Means over sequences: of the whole of a split, or of the latest that were met in training."""

from collections.abc import Mapping

import torch
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


class Recent:
    """The figures of the latest ``size`` training sequences, in the order in which they were met.

    Args:
        size: how many are looked back on.

    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.figures: dict[str, Tensor] = {}

    def update(self, figures: Mapping[str, Tensor]) -> None:
        """Take the figures of some sequences, [B] each."""
        for name, values in figures.items():
            before = self.figures.get(name, values[:0])
            self.figures[name] = torch.cat([before, values])[-self.size :]

    def compute(self) -> dict[str, float]:
        """Return the means, or nothing as long as there have been fewer sequences than ``size``."""
        full = {name: values for name, values in self.figures.items() if len(values) == self.size}
        return {name: values.mean().item() for name, values in full.items()}
