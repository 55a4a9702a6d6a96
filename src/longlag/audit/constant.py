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
        accuracy: the highest accuracy among the candidates.
        loss: the lowest loss of a constant.

    """

    accuracy: float
    loss: float


def best_constant(task: Task, batch: Batch, fresh: Batch) -> Constant:
    """Return the accuracy and the loss of the best constants, one constant for each figure.

    Gradient descent minimises the loss. For the accuracy, which has no gradient, the candidates are the constant with
    the lowest loss, one constant for each output, which prefers it, one for each of the most frequent targets, and, for
    a single output, a fine grid.

    Args:
        task: the task.
        batch: the sequences that select the constants.
        fresh: the sequences that judge them.

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
        candidates = [vector.detach(), *_candidates(task, batch)]
        best = max(candidates, key=lambda constant: _accuracy(task, constant, batch))
        loss = task.loss(_spread(task, vector, fresh), fresh).item()
        return Constant(_accuracy(task, best, fresh), loss)


def _accuracy(task: Task, vector: Tensor, batch: Batch) -> float:
    return task.judge(_spread(task, vector, batch), batch)["acc"].mean().item()


def _candidates(task: Task, batch: Batch) -> list[Tensor]:
    if task.output_size == 1:
        return list(_GRID[:, None])
    candidates = list(20 * torch.eye(task.output_size) - 10)
    targets = batch.targets if task.readout == "last" else batch.targets[batch.mask]
    if targets.is_floating_point() and targets.shape[-1] == task.output_size:
        rows, counts = torch.unique(targets.reshape(-1, task.output_size), dim=0, return_counts=True)
        candidates += list(20 * rows[counts.topk(min(20, len(rows))).indices] - 10)
    return candidates


def _spread(task: Task, vector: Tensor, batch: Batch) -> Tensor:
    """Return the constant in the shape of the outputs of a model: [B, O], or [B, L, O]."""
    n, L = batch.inputs.shape[:2]
    return vector.expand(n, -1) if task.readout == "last" else vector.expand(n, L, -1)
