"""The early gradient: what is left of the gradient when it has come back to the input at t=0."""

import torch
from torch import Tensor

from longlag.flow.error_flow import last_counted
from longlag.flow.float64 import float64_copy
from longlag.flow.tape import tape_of
from longlag.model import SequenceModel
from longlag.task import Batch
from longlag.training.module import SequenceModule
from longlag.training.probe import Probe


def early_gradient(
    model: SequenceModel, inputs: Tensor, lengths: Tensor | None = None, mask: Tensor | None = None
) -> float:
    """Return the mean absolute gradient of the summed last outputs with respect to the input at t=0.

    The outputs are those of the last step of each sequence at which a target counts, the longest way back that there
    is. With a readout at every step, those before it would hide it: the output at t=0 has no way to go.

    It is computed in float64 on a copy of the model, which the call leaves as it was: in float32 a product of
    Jacobians falls below the smallest normal number, 1e-38, long before the gradient itself is of no interest. Down
    to 1e-300 the figure has the precision of the weights; an exact 0.0 means that it is smaller still.

    Args:
        model: the model.
        inputs: sequences [B, L, I].
        lengths: their valid steps [B]; all if none are given.
        mask: where a target counts [B, L]; at every valid step if none is given.

    """
    with torch.inference_mode(False), torch.enable_grad():
        double = float64_copy(model)
        x = inputs.detach().clone().double().requires_grad_()
        double.unrolls = [tape_of(cell, x) for cell in double.cells]  # not every engine takes float64
        outputs = double(x, lengths)
        if model.reads == "every":
            last = last_counted(mask) if mask is not None else (x.shape[1] if lengths is None else lengths) - 1
            outputs = outputs[torch.arange(len(x), device=x.device), last]
        outputs.sum().backward()
        assert x.grad is not None
        return x.grad[:, 0].abs().mean().item()


class EarlyGradient(Probe):
    """Measure the early gradient on a fixed probe batch, at initialisation and at every validation.

    Args:
        size: the number of sequences in the probe batch.

    Raises:
        ValueError: ``size`` is not a positive integer.

    """

    def measure(self, module: SequenceModule, batch: Batch) -> dict[str, float]:
        """Return ``early_gradient``."""
        return {"early_gradient": early_gradient(module.model, batch.inputs, batch.lengths, batch.mask)}
