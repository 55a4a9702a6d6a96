"""What a search makes small: the time to solve, in training sequences."""

from collections.abc import Mapping
from typing import Any

from longlag.errors import RequestError
from longlag.runs import RunFolder, read_run
from longlag.settings.environment import values_of
from longlag.settings.stored import checked_run
from longlag.task.splits import Splits


def objective(folder: RunFolder) -> float | None:
    """Return the training sequences that a run took to solve its task, or what stands for them where it did not.

    A run that is not solved counts as the whole of its steps, and up to as much again for the accuracy that its best
    validation lacks; one that diverged likewise, however early. So any run that is solved is better than any that is
    not, and among the latter the better one is the one that was nearer.

    Args:
        folder: where it ran.

    Returns:
        Training sequences; ``None`` for a run that has not ended, or failed, or cannot be read.

    """
    run = read_run(folder.path)
    if run is None or not run.status.finished or not run.summary:
        return None
    sequences, accuracy = (run.summary.get(name) for name in ("solved_sequences", "val/acc_max"))
    if isinstance(sequences, int | float):
        return float(sequences)
    try:
        budget = _budget(checked_run(values_of(run.config)))
    except RequestError:  # the folder has been damaged since
        return None
    return budget * (2.0 - (accuracy if isinstance(accuracy, int | float) else 0.0))


def _budget(settings: Mapping[str, Any]) -> float:
    """Return the training sequences of all the steps that a run may take."""
    trainer, splits = settings["trainer"], settings["task"].get("splits") or {}
    batch = splits.get("batch_size", Splits().batch_size)
    return float(trainer["max_steps"] * trainer.get("accumulate_grad_batches", 1) * batch)
