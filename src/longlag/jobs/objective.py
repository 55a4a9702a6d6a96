"""What a search makes small: the time to solve, in training sequences."""

from collections.abc import Mapping
from typing import Any

from longlag.runs import RunFolder
from longlag.task.splits import Splits


def objective(folder: RunFolder) -> float | None:
    """Return the training sequences that a run took to solve its task, or what stands for them where it did not.

    A run that is not solved counts as the whole of its steps, and up to as much again for the accuracy that its best
    validation lacks; one that diverged likewise, however early. So any run that is solved is better than any that is
    not, and among the latter the better one is the one that was nearer.

    Args:
        folder: where it ran.

    Returns:
        Training sequences; ``None`` for a run that has not ended, or failed.

    """
    status, summary = folder.read_status(), folder.read_summary()
    if status is None or not status.finished or not summary:
        return None
    if summary["solved_sequences"] is not None:
        return float(summary["solved_sequences"])
    accuracy = summary.get("val/acc_max") or 0.0
    return _budget(folder.read_config()) * (2.0 - accuracy)


def _budget(settings: Mapping[str, Any]) -> float:
    """Return the training sequences of all the steps that a run may take."""
    trainer, splits = settings["trainer"], settings["task"].get("splits") or {}
    batch = splits.get("batch_size", Splits().batch_size)
    return float(trainer["max_steps"] * trainer.get("accumulate_grad_batches", 1) * batch)
