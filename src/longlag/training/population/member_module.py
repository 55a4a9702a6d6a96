"""What a member has instead of a Trainer, and its module."""

from typing import Any

import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor
from torch.optim import Optimizer

from longlag.task import Batch
from longlag.training.module import SequenceModule

_JUDGED = 256  # training sequences that are judged at once


class View:
    """What the module, the callbacks and the loggers of a member see of a Trainer.

    Args:
        arguments: the arguments of the Trainer.

    """

    is_global_zero = True
    world_size = 1
    global_rank = 0
    accumulate_grad_batches = 1
    sanity_checking = False

    def __init__(self, arguments: dict[str, Any]) -> None:
        self.max_steps: int = arguments["max_steps"]
        self.log_every_n_steps: int = arguments["log_every_n_steps"]
        self.global_step = 0
        self.should_stop = False
        self.evaluating = False
        self.loggers: list[Logger] = []


class MemberModule(SequenceModule):
    """The module of a member. Its figures go to the recorders alone: there is no Trainer behind ``self.log``."""

    def record_losses(self, first: int, losses: Tensor) -> None:
        """Record the loss of each training sequence, [N], as that of a step; the steps begin with ``first``.

        Steps are recorded as often as the settings say; afterwards the run stands where it did before.
        """
        view, every = self.trainer, self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        stands_at = view.global_step
        for step in range(-(-first // every) * every, first + len(losses), every):
            view.global_step = step  # type: ignore[misc]  # it is a View
            self._send({"train/loss": losses[step - first].item()})
        view.global_step = stands_at  # type: ignore[misc]

    def judge_recent(self, nets: Tensor, batch: Batch) -> None:
        """Judge training sequences by the outputs of their steps, if the task looks back on them.

        What an element is rounded to may depend on the size of its tensor. So as many are judged at once as ever, of
        which some may have been judged before, or are copies of the last one.

        Args:
            nets: the outputs of the model, [N, …].
            batch: the N sequences.

        """
        N = len(nets)
        for row in range(max(0, N - self.task.recent), N, _JUDGED):
            start = max(0, min(row, N - _JUDGED))
            rows: Any = slice(start, start + _JUDGED) if N >= _JUDGED else torch.arange(_JUDGED).clamp(max=N - 1)
            here = slice(row - start, N - start)
            figures = self.task.judge(nets[rows], batch.select(rows))
            self.recent.update({name: values[here] for name, values in figures.items()})

    def log_dict(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def clip_gradients(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients as Lightning does."""
        if not gradient_clip_val:
            return
        clip = torch.nn.utils.clip_grad_value_ if gradient_clip_algorithm == "value" else torch.nn.utils.clip_grad_norm_
        clip([p for group in optimizer.param_groups for p in group["params"]], gradient_clip_val)
