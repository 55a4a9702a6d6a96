"""A copy of a model in float64: a vanishing error leaves the range of float32 after some dozens of steps."""

import copy

import torch

from longlag.model import SequenceModel


def float64_copy(model: SequenceModel) -> SequenceModel:
    """Return a copy of a model in float64, whose weights require no gradient."""
    with torch.inference_mode(False):
        return copy.deepcopy(model).double().requires_grad_(False)
