"""The error flow: the gradient of the loss at every step on its way back from the last target."""

from collections.abc import Sequence

import torch

from longlag.flow.eager_flow import eager_flow
from longlag.flow.measurement import ErrorFlow, Loss
from longlag.flow.native_flow import native_flows, runs_natively
from longlag.model import SequenceModel
from longlag.task import Batch


def error_flow(model: SequenceModel, batch: Batch, loss: Loss, double: SequenceModel | None = None) -> ErrorFlow:
    """Measure how the error flows back through a model.

    L is the loss of a sequence at the last step at which a target counts. With earlier targets in it, the gradient at
    an early step would come from the near targets, and not measure the long way. The lag of a step is the number of
    steps from it to the last target. Each norm is that of one sequence, over the units.

    Beside the whole gradient stands the direct path: the error that the memory alone carries back, if everything else
    that a step reads of the previous state counts as constant. The truncation of Hochreiter & Schmidhuber 1997
    (appendix A.1) leaves this path; in an LSTM with a readout at the end, dL/dc_t along it is dL/dc_T times the product
    of the forget gates between. Through a stack it is direct in every layer. In a cell with a truncated gradient both
    are equal.

    Everything is computed in float64 on a copy of the model, whatever the engine and the precision of training: right
    down to 2e-308, with ever fewer digits down to 5e-324, below which the gradient is 0 and its logarithm -inf.

    Args:
        model: the model; the call does not change it.
        batch: the sequences, on the model's device.
        loss: the task's loss, a mean over the sequences.
        double: a float64 copy of the same model from an earlier call, which gets the present weights; only the eager
            loop needs one.

    """
    if runs_natively(model):
        return error_flows([model], [batch], [loss])[0]
    return eager_flow(model, batch, loss, double)


def error_flows(models: Sequence[SequenceModel], batches: Sequence[Batch], losses: Sequence[Loss]) -> list[ErrorFlow]:
    """Measure the error flow through several models of one kind at once; each gets the bits that it would get alone.

    Args:
        models: models of one kind and shape, whose cells the native engine runs.
        batches: the sequences of each, of one shape, on the device of its model.
        losses: the loss of the task of each.

    """
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        return native_flows(models, batches, losses)
