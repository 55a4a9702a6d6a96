"""The latest training sequences, for the criteria that look back on them."""

from collections.abc import Mapping

import torch
from torch import Tensor


class RecentSequences:
    """The figures of the latest ``size`` training sequences, in the order of training.

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
        """Return the means; nothing before there are ``size`` sequences."""
        full = {name: values for name, values in self.figures.items() if len(values) == self.size}
        return {name: values.mean().item() for name, values in full.items()}
