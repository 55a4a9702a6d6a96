"""What longlag reads of Lightning beside its documented interface; a test of the same name holds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightning
from lightning import Trainer
from lightning_utilities.core.rank_zero import rank_zero_only


def batches_begun(trainer: Trainer) -> int:
    """Return the number of training batches that the trainer has begun, with those before a resumption."""
    return trainer.fit_loop.total_batch_idx + 1


def validation_interval(trainer: Trainer) -> int | float | None:
    """Return the number of training batches between two validations; no integer where batches do not decide."""
    return trainer.val_check_batch


def is_first_process() -> bool:
    """Return whether this process is the first of the devices, also before there is a trainer."""
    return getattr(rank_zero_only, "rank", 0) == 0


@dataclass
class Loops:
    """What Lightning's loops count beside the steps.

    Args:
        validation: the batches of the latest validation.
        validation_in_all: the batches of all validations.

    """

    validation: int = 0
    validation_in_all: int = 0

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any]) -> "Loops":
        """Return what a checkpoint counts."""
        validation = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
        return cls(validation["current"]["completed"], validation["total"]["completed"])

    def validated(self, batches: int) -> None:
        """Count the batches of a validation."""
        self.validation, self.validation_in_all = batches, self.validation_in_all + batches


def checkpoint_frame(step: int, counted: Loops, between_validations: bool) -> dict[str, Any]:
    """Return what a checkpoint of Lightning says of its version and of the progress of its loops.

    It is that of a training of one epoch with one batch a step, one optimizer and no schedule.

    Args:
        step: the optimizer steps taken.
        counted: what the loops count beside the steps.
        between_validations: whether it is saved at the end of a batch, and not of a validation.

    """
    none = _counts(0)
    no_steps = {"current": {"ready": 0, "completed": 0}, "total": {"ready": 0, "completed": 0}}
    steps = {"ready": step, "completed": step}
    zeroed = {**steps, "started": step}
    batches = {**_counts(step), "completed": step - between_validations}
    epoch = {"ready": 1, "completed": 0, "started": 1, "processed": 0}
    evaluated = {
        "total": _counts(counted.validation_in_all),
        "current": _counts(counted.validation),
        "is_last_batch": counted.validation_in_all > 0,
    }
    not_evaluated = {"state_dict": {}, "batch_progress": {"total": none, "current": none, "is_last_batch": False}}
    fit: dict[str, Any] = {
        "state_dict": {"combined_loader": [{}]},
        "epoch_loop.state_dict": {"_batches_that_stepped": max(0, step - 1)},
        "epoch_loop.batch_progress": {"total": batches, "current": batches, "is_last_batch": False},
        "epoch_loop.scheduler_progress": no_steps,
        "epoch_loop.automatic_optimization.state_dict": {},
        "epoch_loop.automatic_optimization.optim_progress": {
            "optimizer": {"step": {"total": steps, "current": steps}, "zero_grad": {"total": zeroed, "current": zeroed}}
        },
        "epoch_loop.manual_optimization.state_dict": {},
        "epoch_loop.manual_optimization.optim_step_progress": no_steps,
        "epoch_loop.val_loop.state_dict": {},
        "epoch_loop.val_loop.batch_progress": evaluated,
        "epoch_progress": {"total": epoch, "current": epoch},
    }
    predict = {"state_dict": {}, "batch_progress": {"total": none, "current": none}}
    loops = {"fit_loop": fit, "validate_loop": not_evaluated, "test_loop": not_evaluated, "predict_loop": predict}
    return {"epoch": 0, "global_step": step, "pytorch-lightning_version": lightning.__version__, "loops": loops}


def _counts(number: int) -> dict[str, int]:
    return {"ready": number, "completed": number, "started": number, "processed": number}
