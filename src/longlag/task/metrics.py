"""Means of metrics over sequences."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics import MeanMetric


class Means:
    """The mean of each metric that a task's ``judge`` returns, over all sequences and all devices."""

    def __init__(self) -> None:
        self.metrics: dict[str, MeanMetric] = {}

    def update(self, values: Mapping[str, Tensor]) -> None:
        """Add the values of some sequences, [B] each."""
        for name, value in values.items():
            if name not in self.metrics:
                self.metrics[name] = MeanMetric(nan_strategy="disable").to(value.device)  # NaN is a result
                self.metrics[name].set_dtype(torch.promote_types(value.dtype, torch.float32))
            if len(value):
                self.metrics[name].update(value)

    def compute(self) -> dict[str, float]:
        """Return the means."""
        return {name: metric.compute().item() for name, metric in self.metrics.items()}

    def reset(self) -> None:
        """Forget the sequences."""
        for metric in self.metrics.values():
            metric.reset()
