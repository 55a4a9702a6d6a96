"""A model in float64: an error that vanishes leaves the range of float32 after some dozens of steps."""

import copy

import torch

from longlag.model import SequenceModel


def float64_copy(model: SequenceModel) -> SequenceModel:
    """Return a copy of a model in float64, of whose weights no gradient is wanted."""
    with torch.inference_mode(False):
        return copy.deepcopy(model).double().requires_grad_(False)
