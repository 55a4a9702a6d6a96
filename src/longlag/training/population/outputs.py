"""The outputs of many models for a batch each, with one call of the kernel a layer.

On the CPU each number is, bit for bit, that of :meth:`longlag.model.SequenceModel.forward`: the native kernel gives a
run the same bits alone and beside others, and all else is computed model by model, by the same operations on tensors of
the same shape. On a GPU it is the same to rounding.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from longlag.engine.kernel_engine import KernelEngine
from longlag.model import SequenceModel
from longlag.task import Batch


def outputs_of(
    engine: KernelEngine,
    models: Sequence[SequenceModel],
    batches: Sequence[Batch],
    generators: Sequence[torch.Generator | None] | None = None,
) -> list[Tensor]:
    """Return the outputs of each model for its batch, [B, O] or [B, L, O] each.

    Args:
        engine: runs the cells.
        models: models of one kind and shape.
        batches: a batch of B sequences for each, on their device; their lengths may differ from model to model.
        generators: decide what each model drops; ``None`` for none.

    """
    outputs: dict[int, Tensor] = {}
    for group in _of_one_length(batches):
        dropping = [None if generators is None else generators[k] for k in group]
        of_group = _outputs(engine, [models[k] for k in group], [batches[k] for k in group], dropping)
        outputs.update(zip(group, of_group, strict=True))
    return [outputs[k] for k in range(len(models))]


def _of_one_length(batches: Sequence[Batch]) -> Iterator[list[int]]:
    """Yield the places of the batches, those with sequences of one length together: padding would change sums."""
    groups: dict[int, list[int]] = {}
    for k, batch in enumerate(batches):
        groups.setdefault(batch.inputs.shape[1], []).append(k)
    yield from groups.values()


def _outputs(
    engine: KernelEngine,
    models: Sequence[SequenceModel],
    batches: Sequence[Batch],
    generators: Sequence[torch.Generator | None],
) -> list[Tensor]:
    hidden = torch.stack([batch.inputs for batch in batches])  # [R, B, L, I]
    first = models[0]
    for k in range(len(first.cells)):
        read = hidden
        if k > 0 and first.dropout and any(generators):
            read = torch.stack([m.dropped(h, g) for m, h, g in zip(models, hidden, generators, strict=True)])
        hidden, (h, _) = engine.unroll_runs([model.cells[k] for model in models], read)  # type: ignore[misc]
        if first.residual and k > 0:
            hidden, h = hidden + read, h + read[:, :, -1]
    ragged = bool((torch.stack([batch.lengths for batch in batches]) < hidden.shape[2]).any())
    whole = hidden.unbind() if first.reads == "every" or ragged else [None] * len(models)
    return [
        # a copy of its own, aligned as that of a run alone: the product of matrices may depend on it
        model.read(of_all, of_last.clone(), batch.inputs, batch.lengths)
        for model, of_all, of_last, batch in zip(models, whole, h.unbind(), batches, strict=True)
    ]
