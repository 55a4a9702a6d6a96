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

    def judge_recent(self, first: int, nets: Tensor, batch: Batch) -> None:
        """Judge training sequences by the outputs of their steps, if the task looks back on them.

        What an element is rounded to may depend on its place in a tensor. So the sequences are judged in groups that
        depend on their numbers alone, with copies for those that belong to a group and are not here.

        Args:
            first: the number of the first one.
            nets: the outputs of the model, [N, …].
            batch: the N sequences.

        """
        end = first + len(nets)
        start = max(first, end - self.task.recent)
        for begin in range(start - start % _JUDGED, end, _JUDGED):
            whole = start <= begin and begin + _JUDGED <= end
            rows: Any = slice(begin - first, begin - first + _JUDGED)
            if not whole:
                rows = torch.arange(begin, begin + _JUDGED).clamp(start, end - 1) - first
            here = slice(max(0, start - begin), end - begin)
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
