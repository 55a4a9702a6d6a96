"""The last target of each sequence of a batch, from which an error flows back."""

import torch
from torch import Tensor

from longlag.task import Batch


def last_counted(mask: Tensor) -> Tensor:
    """Return the last step at which a target counts, [B]."""
    return mask.shape[1] - 1 - mask.flip(1).int().argmax(1)


def answered_once(batch: Batch, last: Tensor) -> Batch:
    """Return the batch with only the target of the step ``last`` [B]."""
    only = torch.arange(batch.mask.shape[1], device=last.device) == last[:, None]  # [B, L]
    return batch._replace(mask=only)
