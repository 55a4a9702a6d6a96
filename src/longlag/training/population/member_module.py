"""What a member has instead of a Trainer, and its module."""

from typing import Any

import torch
from lightning.pytorch.loggers import Logger
from torch.optim import Optimizer

from longlag.training.module import SequenceModule


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
