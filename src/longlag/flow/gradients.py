"""Gradients with respect to many tensors at once."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

_AT_ONCE = 2**24  # numbers: more than these are taken one after the other, to spare the memory


def gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], errors: Sequence[Tensor] | None = None, batched: bool = False
) -> list[Tensor]:
    """Return the gradients of the outputs, each times its error; zeros where there is no way from an input.

    Args:
        outputs: what is derived.
        inputs: with respect to what.
        errors: of the shapes of the outputs; none are needed for scalars.
        batched: whether the errors, and so the gradients, have one more axis, in front.

    """
    reached = [x for x in inputs if x.requires_grad]
    options = {"retain_graph": True, "allow_unused": True, "is_grads_batched": batched}
    found = iter(torch.autograd.grad(outputs, reached, errors, **options))
    several = (len(errors[0]),) if batched and errors is not None else ()
    taken = [next(found) if x.requires_grad else None for x in inputs]
    return [x.new_zeros(several + x.shape) if grad is None else grad for x, grad in zip(inputs, taken, strict=True)]


def both_gradients(
    output: Tensor, errors: tuple[Tensor, Tensor], inputs: Sequence[Tensor]
) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Return the gradients for two errors of one output; in one pass, where the operations on the way allow that."""
    if sum(x.numel() for x in inputs) <= _AT_ONCE:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="There is a performance drop")  # of an operation, not of ours
                first, second = zip(*gradients([output], inputs, [torch.stack(errors)], batched=True), strict=True)
            return first, second
        except RuntimeError:  # an operation of the cell's own that does not know about batches of gradients
            pass
    return gradients([output], inputs, [errors[0]]), gradients([output], inputs, [errors[1]])
