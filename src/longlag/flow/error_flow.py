"""The error flow: what is left of the gradient of the loss, step by step on its way back from the last target."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from longlag.flow.float64 import float64_copy
from longlag.flow.gradients import gradients
from longlag.flow.tape import Steps, Tape, tape_of
from longlag.model import SequenceModel
from longlag.task import Batch

#: Between this and its inverse a norm is right though it is made of squares: of 1e-200 there is none.
SQUARES = 1e-140


@dataclass(frozen=True)
class ErrorFlow:
    """The error flow through a model.

    Args:
        layers: for each layer, from the input up, log10 of norms over the units: ‖dL/dx_t‖ as ``dx``, and ``dh``,
            ``dc``, ``dx_direct`` and ``dc_direct`` likewise; each [K, B] by the lag 0 … K − 1, nan where a sequence
            does not reach back so far. ``dc`` is left out for a cell without a cell state, and what is direct for a
            cell without a direct path; ``dc_direct`` is that of h where h is the memory.
        early_gradient: as :func:`longlag.training.early_gradient.early_gradient` has it; it comes with the same pass.
        tapes: the states of each layer, in float64.

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

    L is the loss of a sequence at the last step at which a target counts: with earlier targets in it, what reaches an
    early step would come from the near ones, and say nothing of the long way. The lag of a step is the number of steps
    from it to that last one. All norms are of one sequence, over the units.

    Beside the whole gradient stands the direct path: the error that the memory alone carries back, when all that a step
    reads of the state before is taken as constant but for the memory that it multiplies. It is what the truncation of
    Hochreiter & Schmidhuber 1997 (appendix A.1) leaves; in an LSTM that is read at the end, dL/dc_t is then dL/dc_T
    times the product of the forget gates between. Through a stack it is direct in every layer. A cell whose own
    gradient is truncated has both the same.

    Computed in float64 on a copy of the model, whatever the engine and the precision of training: right down to 2e-308,
    with ever fewer digits down to 5e-324, below which it is 0, and its logarithm -inf.

    Args:
        model: the model; it is left as it was.
        batch: the sequences, on the model's device.
        loss: the task's loss, a mean over the sequences.
        double: a copy that an earlier call was given, of the same model; it takes over the present weights.

    """
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(batch.inputs.device.type, enabled=False):
        if double is None:
            double = float64_copy(model)
        else:
            for mine, theirs in zip(_tensors(double), _tensors(model), strict=True):
                mine.copy_(theirs.detach())
        tapes = [tape_of(cell, batch.inputs.double()) for cell in double.cells]
        double.unrolls = list(tapes)
        batch = Batch(*(part.double() if part.is_floating_point() else part.clone() for part in batch))
        last = last_counted(batch.mask)  # [B]
        # Every sequence runs twice, once for each error that is sent back, which is cheaper than to send back two
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
    """Return for each layer the whole gradients by step; under ``hidden`` those from outside of it.

    Beside them the gradient of the second half of the batch with respect to the inputs, [B, L, I].

    Args:
        outputs: of the model, for a batch of 2B sequences.
        errors: what is sent back from them.
        inputs: of the model.
        tapes: of all layers.

    """
    wanted = [tensor for tape in tapes for tensor in (tape.hidden, tape.inputs)]
    recorded = [(k, name, tensors) for k, tape in enumerate(tapes) for name, tensors in tape.recorded().items()]
    B = len(inputs) // 2
    of_states = [tensor for _, _, tensors in recorded for tensor in tensors]
    early, *found = gradients([outputs], [inputs, *wanted, *of_states], [errors])
    taken = iter(gradient[:B] for gradient in found)
    wholes: list[dict[str, Steps]] = [
        {"hidden": next(taken).transpose(0, 1), "dx": next(taken).transpose(0, 1)} for _ in tapes
    ]
    for k, name, tensors in recorded:
        wholes[k][name] = [next(taken) for _ in tensors]
    return wholes, early[B:]


def _direct(wholes: Sequence[dict[str, Steps]], tapes: Sequence[Tape], residual: bool) -> list[dict[str, Tensor]]:
    """Return for each layer the gradients along the direct path by step."""
    found: list[dict[str, Tensor]] = []
    error = wholes[-1]["hidden"]  # what reaches a layer's hidden states from above
    for k, tape in reversed(list(enumerate(tapes))):
        direct = tape.direct(error)
        found.insert(0, direct)
        if not direct:
            return [{} for _ in range(k)] + found
        assert isinstance(error, Tensor)
        passed = direct["dx_direct"]
        error = passed + error if residual and k > 0 else passed
    return found


def last_counted(mask: Tensor) -> Tensor:
    """Return the last step at which a target counts, [B]."""
    return mask.shape[1] - 1 - mask.flip(1).int().argmax(1)


def _answered_once(batch: Batch, last: Tensor) -> Batch:
    """Return the batch with no target but that of the step ``last`` [B]."""
    only = torch.arange(batch.mask.shape[1], device=last.device) == last[:, None]  # [B, L]
    return batch._replace(mask=only)


def _tensors(model: SequenceModel) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


def _norms_by_lag(gradients_by_step: dict[str, Steps], last: Tensor) -> dict[str, Tensor]:
    """Turn what belongs to the steps into log10 of the norms by lag, [K, B] each."""
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
    """Return the norms over the last axis; many times faster than ``vector_norm`` where that is not dense."""
    return values.square().sum(-1).sqrt()


def _log10_norms(values: Tensor) -> Tensor:
    """Return log10 of the norms over the last axis; the largest number is taken out of the squares."""
    largest = values.abs().amax(-1)
    scaled = values / largest.where(largest > 0, 1.0)[..., None]
    return torch.log10(largest) + torch.log10(torch.linalg.vector_norm(scaled, dim=-1))


def _by_lag(values: Tensor, last: Tensor) -> Tensor:
    """Turn values by step [N, L, B] into values by lag [N, K, B], nan where a sequence does not reach back so far."""
    steps = last - torch.arange(int(last.max()) + 1, device=last.device)[:, None]  # [K, B]
    return values.gather(1, steps.clamp(min=0).expand(len(values), -1, -1)).where(steps >= 0, torch.nan)
