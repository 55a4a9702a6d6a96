"""The error flow: the gradient of the loss at every step on its way back from the last target."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from longlag.flow.double_precision import float64_copy
from longlag.flow.gradients import gradients
from longlag.flow.tape import Steps, Tape, tape_of
from longlag.model import SequenceModel
from longlag.task import Batch

#: Between this number and its inverse, the squares in a norm neither underflow nor overflow.
SQUARES = 1e-140


@dataclass(frozen=True)
class ErrorFlow:
    """The error flow through a model.

    Args:
        layers: for each layer, from the input up, log10 of norms over the units: ‖dL/dx_t‖ as ``dx``, and ``dh``,
            ``dc``, ``dx_direct`` and ``dc_direct`` likewise; each [K, B] by the lag 0 … K − 1, nan beyond the
            first step of a sequence. A cell without a cell state has no ``dc``, and a cell without a direct path none
            of the direct norms; ``dc_direct`` is the norm for h if h is the memory.
        early_gradient: as :func:`longlag.flow.early_gradient.early_gradient` returns it; measured in the same pass.
        tapes: the recorded run of each layer, in float64.

    """

    layers: list[dict[str, Tensor]]
    early_gradient: float
    tapes: list[Tape]


def error_flow(
    model: SequenceModel,
    batch: Batch,
    loss: Callable[[Tensor, Batch], Tensor],
    double: SequenceModel | None = None,
) -> ErrorFlow:
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
        double: a float64 copy of the same model from an earlier call; it gets the present weights.

    """
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(batch.inputs.device.type, enabled=False):
        if double is None:
            double = float64_copy(model)
        else:
            for mine, theirs in zip(_tensors(double), _tensors(model), strict=True):
                mine.copy_(theirs.detach())
        tapes = [tape_of(cell, batch.inputs.double()) for cell in double.cells]
        double.engines = list(tapes)
        batch = Batch(*(part.double() if part.is_floating_point() else part.clone() for part in batch))
        last = last_counted(batch.mask)  # [B]
        # Every sequence runs twice, once for each of the two errors: cheaper than two passes back
        inputs = torch.cat([batch.inputs, batch.inputs]).requires_grad_()
        outputs = double(inputs, torch.cat([batch.lengths, batch.lengths]))
        read = outputs.detach()[: len(last)].requires_grad_()
        (of_loss,) = gradients([loss(read, _answered_once(batch, last)) * len(last)], [read])
        of_sum = torch.zeros_like(of_loss)
        of_sum[(torch.arange(len(last), device=last.device), last) if model.reads == "every" else ()] = 1
        wholes, early = _whole(outputs, torch.cat([of_loss, of_sum]), inputs, tapes)
        for whole, tape in zip(wholes, tapes, strict=True):
            tape.keep(len(last))
            whole |= tape.seen()
        directs = _direct(wholes, tapes, model.residual)
        for whole in wholes:
            del whole["hidden"]
        layers = [_norms_by_lag({**whole, **direct}, last) for whole, direct in zip(wholes, directs, strict=True)]
    return ErrorFlow(layers, early[:, 0].abs().mean().item(), tapes)


def _whole(
    outputs: Tensor, errors: Tensor, inputs: Tensor, tapes: Sequence[Tape]
) -> tuple[list[dict[str, Steps]], Tensor]:
    """Return the whole gradients of each layer by step; ``hidden`` is the gradient that enters it from outside.

    The second value is the gradient of the second half of the batch with respect to the inputs, [B, L, I].

    Args:
        outputs: the outputs of the model, for a batch of 2B sequences.
        errors: the errors at the outputs.
        inputs: the inputs of the model.
        tapes: the recorded runs of all layers.

    """
    wanted = [tensor for tape in tapes for tensor in (tape.hidden, tape.inputs)]
    recorded = [(k, name, tensors) for k, tape in enumerate(tapes) for name, tensors in tape.recorded().items()]
    B = len(inputs) // 2
    of_states = [tensor for _, _, tensors in recorded for tensor in tensors]
    early, *grads = gradients([outputs], [inputs, *wanted, *of_states], [errors])
    by_tensor = iter(gradient[:B] for gradient in grads)
    wholes: list[dict[str, Steps]] = [
        {"hidden": next(by_tensor).transpose(0, 1), "dx": next(by_tensor).transpose(0, 1)} for _ in tapes
    ]
    for k, name, tensors in recorded:
        wholes[k][name] = [next(by_tensor) for _ in tensors]
    return wholes, early[B:]


def _direct(wholes: Sequence[dict[str, Steps]], tapes: Sequence[Tape], residual: bool) -> list[dict[str, Tensor]]:
    """Return the gradients along the direct path of each layer by step."""
    directs: list[dict[str, Tensor]] = []
    error = wholes[-1]["hidden"]  # the error at the hidden states of a layer, from above
    for k, tape in reversed(list(enumerate(tapes))):
        direct = tape.direct(error)
        directs.insert(0, direct)
        if not direct:
            return [{} for _ in range(k)] + directs
        assert isinstance(error, Tensor)
        passed = direct["dx_direct"]
        error = passed + error if residual and k > 0 else passed
    return directs


def last_counted(mask: Tensor) -> Tensor:
    """Return the last step at which a target counts, [B]."""
    return mask.shape[1] - 1 - mask.flip(1).int().argmax(1)


def _answered_once(batch: Batch, last: Tensor) -> Batch:
    """Return the batch with only the target of the step ``last`` [B]."""
    only = torch.arange(batch.mask.shape[1], device=last.device) == last[:, None]  # [B, L]
    return batch._replace(mask=only)


def _tensors(model: SequenceModel) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def _norms_by_lag(gradients_by_step: dict[str, Steps], last: Tensor) -> dict[str, Tensor]:
    """Turn gradients by step into log10 of their norms by lag, [K, B] each."""
    norms = _by_lag(torch.stack([_of_all_steps(_norms, steps) for steps in gradients_by_step.values()]), last)
    if bool((((norms > SQUARES) & (norms < 1 / SQUARES)) | norms.isnan()).all()):
        logs = torch.log10(norms)
    else:
        logs = torch.stack([_of_all_steps(_log10_norms, steps) for steps in gradients_by_step.values()])
        logs = _by_lag(logs, last)
    return dict(zip(gradients_by_step, logs, strict=True))


def _of_all_steps(norms: Callable[[Tensor], Tensor], steps: Steps) -> Tensor:
    """Return the norms of all steps, [L, B]."""
    if isinstance(steps, Tensor):
        return norms(_flat(steps))
    if len({step.shape for step in steps}) > 1:  # a memory that grows
        return torch.cat([norms(_flat(step[None])) for step in steps])
    return norms(_flat(torch.stack(list(steps))))


def _flat(steps: Tensor) -> Tensor:
    """Turn [L, B, …], real or complex, into [L, B, N], real."""
    return (torch.view_as_real(steps) if steps.is_complex() else steps).flatten(2)


def _norms(values: Tensor) -> Tensor:
    """Return the norms over the last axis; many times faster than ``vector_norm`` on a tensor that is not dense."""
    return values.square().sum(-1).sqrt()


def _log10_norms(values: Tensor) -> Tensor:
    """Return log10 of the norms over the last axis, divided by the largest number before squaring."""
    largest = values.abs().amax(-1)
    scaled = values / largest.where(largest > 0, 1.0)[..., None]
    return torch.log10(largest) + torch.log10(torch.linalg.vector_norm(scaled, dim=-1))


def _by_lag(values: Tensor, last: Tensor) -> Tensor:
    """Turn values by step [N, L, B] into values by lag [N, K, B], nan beyond the first step of a sequence."""
    steps = last - torch.arange(int(last.max()) + 1, device=last.device)[:, None]  # [K, B]
    return values.gather(1, steps.clamp(min=0).expand(len(values), -1, -1)).where(steps >= 0, torch.nan)
