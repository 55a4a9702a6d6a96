"""A copy of a model in float64: a vanishing error leaves the range of float32 after some dozens of steps."""

import copy

import torch

from longlag.model import SequenceModel


def float64_copy(model: SequenceModel) -> SequenceModel:
    """Return a copy of a model in float64, whose weights require no gradient."""
    with torch.inference_mode(False):
        # a weight that a hook computes (pruning, an older weight norm) is no leaf, and deepcopy refuses it
        computed = [
            value
            for module in model.modules()
            for value in vars(module).values()
            if isinstance(value, torch.Tensor) and not value.is_leaf
        ]
        copies = {id(value): value.detach().clone() for value in computed}
        return copy.deepcopy(model, copies).double().requires_grad_(False)
