"""The best constant output."""

from dataclasses import dataclass

import torch
from torch import Tensor

from longlag.task import Batch, Task

_GRID = torch.cat([torch.linspace(-6, 6, 241), torch.linspace(-0.5, 1.5, 401)])


@dataclass(frozen=True)
class Constant:
    """The figures of the best constant outputs.

    Args:
        accuracy: the highest accuracy that one of the constants that were tried has.
        loss: the lowest loss that a constant has.

    """

    accuracy: float
    loss: float


def best_constant(task: Task, batch: Batch, fresh: Batch) -> Constant:
    """Return the accuracy and the loss of the best constants, one for each: found on some sequences, taken on others.

    The loss is minimised by gradient descent. For the accuracy, which has no gradient, these are tried: the constant
    with the lowest loss, one that prefers each single output, one for each of the targets that come most often, and,
    for a single output, a fine grid.

    Args:
        task: the task.
        batch: the sequences on which the constants are found.
        fresh: those on which they are judged.

    """
    vector = torch.zeros(task.output_size, requires_grad=True)
    optimizer = torch.optim.LBFGS([vector], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = task.loss(_spread(task, vector, batch), batch)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        tried = [vector.detach(), *_candidates(task, batch)]
        best = max(tried, key=lambda constant: _accuracy(task, constant, batch))
        loss = task.loss(_spread(task, vector, fresh), fresh).item()
        return Constant(_accuracy(task, best, fresh), loss)


def _accuracy(task: Task, vector: Tensor, batch: Batch) -> float:
    return task.judge(_spread(task, vector, batch), batch)["acc"].mean().item()


def _candidates(task: Task, batch: Batch) -> list[Tensor]:
    if task.output_size == 1:
        return list(_GRID[:, None])
    tried = list(20 * torch.eye(task.output_size) - 10)
    targets = batch.targets if task.readout == "last" else batch.targets[batch.mask]
    if targets.is_floating_point() and targets.shape[-1] == task.output_size:
        rows, counts = torch.unique(targets.reshape(-1, task.output_size), dim=0, return_counts=True)
        tried += list(20 * rows[counts.topk(min(20, len(rows))).indices] - 10)
    return tried


def _spread(task: Task, vector: Tensor, batch: Batch) -> Tensor:
    """Return the constant as the outputs of a model: [B, O], or [B, L, O]."""
    n, L = batch.inputs.shape[:2]
    return vector.expand(n, -1) if task.readout == "last" else vector.expand(n, L, -1)
