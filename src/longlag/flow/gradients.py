"""Gradients with respect to many tensors at once."""

from collections.abc import Sequence

import torch
from torch import Tensor


def gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], errors: Sequence[Tensor] | None = None
) -> list[Tensor]:
    """Return the gradients of the outputs, each times its error; zeros where there is no way from an input.

    Args:
        outputs: what is derived.
        inputs: with respect to what.
        errors: of the shapes of the outputs; none are needed for scalars.

    """
    reached = [x for x in inputs if x.requires_grad]
    found = iter(torch.autograd.grad(outputs, reached, errors, retain_graph=True, allow_unused=True))
    taken = [next(found) if x.requires_grad else None for x in inputs]
    return [torch.zeros_like(x) if grad is None else grad for x, grad in zip(inputs, taken, strict=True)]
