"""Gradients with respect to many tensors at once."""

from collections.abc import Sequence

import torch
from torch import Tensor


def gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], errors: Sequence[Tensor] | None = None
) -> list[Tensor]:
    """Return the gradients of the outputs, each times its error; zeros for an input that no output depends on.

    Args:
        outputs: the tensors to differentiate.
        inputs: the tensors with respect to which.
        errors: one of the shape of each output; scalars need none.

    """
    differentiable = [x for x in inputs if x.requires_grad]
    computed = iter(torch.autograd.grad(outputs, differentiable, errors, retain_graph=True, allow_unused=True))
    grads = [next(computed) if x.requires_grad else None for x in inputs]
    return [torch.zeros_like(x) if grad is None else grad for x, grad in zip(inputs, grads, strict=True)]
