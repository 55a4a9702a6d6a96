"""The early gradient, by its one definition: docs/error_flow.md explains it."""

import torch
from torch import Tensor

from longlag.engine import Eager, Native
from longlag.flow.double_precision import float64_copy
from longlag.flow.native_flow import runs_natively
from longlag.flow.targets import last_counted
from longlag.model import SequenceModel

#: The sequences in the probe batch of a task, on which the early gradient is measured.
PROBE_SIZE = 16


def early_gradient(
    model: SequenceModel, inputs: Tensor, lengths: Tensor | None = None, mask: Tensor | None = None
) -> float:
    """Return the mean absolute gradient of the summed last outputs with respect to the input at t=0.

    The last outputs of a sequence are those at the last step at which a target counts. With a readout at every step,
    the outputs before would hide the long way back: the output at t=0 depends on the input at t=0 directly.

    The gradient is computed in float64, on a copy of the model: in float32 a product of Jacobians falls below the
    smallest normal number, 1e-38, long before the gradient stops being of interest. Down to 1e-300 the result is as
    precise as the weights; an exact 0.0 means that the gradient is smaller still.

    Args:
        model: the model; the call does not change it.
        inputs: sequences [B, L, I]; in a run, the probe batch.
        lengths: the valid steps of each sequence [B]; without them, all steps are valid.
        mask: the steps at which a target counts [B, L]; without a mask, every valid step counts.

    """
    with torch.inference_mode(False), torch.enable_grad():
        natively = runs_natively(model)  # not every engine runs in float64
        where, engine = ("cpu", Native()) if natively else (inputs.device, Eager())
        double = float64_copy(model).to(where)
        x = inputs.detach().clone().to(where).double().requires_grad_()
        lengths, mask = (None if part is None else part.to(where) for part in (lengths, mask))
        double.engines = [engine for _ in double.cells]
        outputs = double(x, lengths)
        if model.reads == "every":
            last = last_counted(mask) if mask is not None else (x.shape[1] if lengths is None else lengths) - 1
            outputs = outputs[torch.arange(len(x), device=x.device), last]
        outputs.sum().backward()
        return 0.0 if x.grad is None else x.grad[:, 0].abs().mean().item()
