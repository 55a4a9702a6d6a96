"""The error flow through a model of any cells, by the eager loop and autograd."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from longlag.flow.double_precision import float64_copy
from longlag.flow.gates import gate_figures
from longlag.flow.gradients import gradients
from longlag.flow.measurement import ErrorFlow, Loss
from longlag.flow.norms import SQUARES, by_lag, scaled_log10_norms, unit_norms
from longlag.flow.tape import Steps, Tape
from longlag.flow.targets import answered_once, last_counted
from longlag.model import SequenceModel
from longlag.task import Batch


def eager_flow(model: SequenceModel, batch: Batch, loss: Loss, double: SequenceModel | None = None) -> ErrorFlow:
    """Measure the error flow; see :func:`longlag.flow.error_flow.error_flow`."""
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(batch.inputs.device.type, enabled=False):
        if double is None:
            double = float64_copy(model)
        else:
            for mine, theirs in zip(_tensors(double), _tensors(model), strict=True):
                mine.copy_(theirs.detach())
        tapes = [Tape() for _ in double.cells]
        double.engines = list(tapes)
        batch = Batch(*(part.double() if part.is_floating_point() else part.clone() for part in batch))
        last = last_counted(batch.mask)  # [B]
        # Every sequence runs twice, once for each of the two errors: cheaper than two passes back
        inputs = torch.cat([batch.inputs, batch.inputs]).requires_grad_()
        outputs = double(inputs, torch.cat([batch.lengths, batch.lengths]))
        read = outputs.detach()[: len(last)].requires_grad_()
        (of_loss,) = gradients([loss(read, answered_once(batch, last)) * len(last)], [read])
        of_sum = torch.zeros_like(of_loss)
        of_sum[(torch.arange(len(last), device=last.device), last) if model.reads == "every" else ()] = 1
        wholes, early = _whole(outputs, torch.cat([of_loss, of_sum]), inputs, tapes)
        for tape in tapes:
            tape.keep(len(last))
        directs = _direct(wholes, tapes, model.residual)
        for whole in wholes:
            del whole["hidden"]
        layers = [_norms_by_lag({**whole, **direct}, last) for whole, direct in zip(wholes, directs, strict=True)]
    gates = [gate_figures(tape, batch.lengths) for tape in tapes]
    return ErrorFlow(layers, early[:, 0].abs().mean().item(), gates)


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


def _tensors(model: SequenceModel) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def _norms_by_lag(gradients_by_step: dict[str, Steps], last: Tensor) -> dict[str, Tensor]:
    """Turn gradients by step into log10 of their norms by lag, [K, B] each."""
    norms = _by_lag([_of_all_steps(unit_norms, steps) for steps in gradients_by_step.values()], last)
    if bool((((norms > SQUARES) & (norms < 1 / SQUARES)) | norms.isnan()).all()):
        logs = torch.log10(norms)
    else:
        logs = _by_lag([_of_all_steps(scaled_log10_norms, steps) for steps in gradients_by_step.values()], last)
    return dict(zip(gradients_by_step, logs, strict=True))


def _by_lag(values: Sequence[Tensor], last: Tensor) -> Tensor:
    return by_lag(torch.stack(list(values))[:, None], last[None])[:, 0]


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
