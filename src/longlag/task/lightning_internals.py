"""What longlag reads of Lightning beside its documented interface; a test of the same name holds it."""

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
