"""A batch of sequences."""

from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """B sequences of up to L steps."""

    inputs: Tensor
    """[B, L, I], padded at the end with zeros."""
    targets: Tensor
    """The right outputs, in the form that the loss of the task expects: [B, …] or [B, L, …]."""
    lengths: Tensor
    """The number of valid steps of each sequence, [B], int64."""
    mask: Tensor
    """The steps at which a target counts, [B, L], bool."""

    @classmethod
    def answered_last(cls, inputs: Tensor, targets: Tensor, lengths: Tensor | None = None) -> "Batch":
        """Return sequences whose one target counts at their last valid step.

        Args:
            inputs: [B, L, I].
            targets: [B, …].
            lengths: [B]; without them, all L steps are valid.

        """
        n, L = inputs.shape[:2]
        if lengths is None:
            lengths = torch.full((n,), L)
        mask = torch.zeros(n, L, dtype=torch.bool)
        mask[torch.arange(n), lengths - 1] = True
        return cls(inputs, targets, lengths, mask)

    def select(self, index: Tensor | slice) -> "Batch":
        """Return the sequences at ``index``."""
        return Batch(*(field[index] for field in self))

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return Batch(*(field.to(device) for field in self))

    def cast(self, dtype: torch.dtype) -> "Batch":
        """Return the batch with its inputs and targets in a type of number; targets that are classes stay."""
        return Batch(*(field.to(dtype) if field.is_floating_point() else field for field in self))
