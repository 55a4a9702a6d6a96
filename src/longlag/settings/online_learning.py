"""What ``optimizer=online`` takes: runs that the native engine can train, after each sequence and without Lightning."""

from collections.abc import Mapping
from typing import Any

import torch

from longlag.engine.kernel_cells import kernel_cell
from longlag.engine.native.online import carries_traces, refusal
from longlag.engine.native.online_call import online_library
from longlag.errors import RequestError
from longlag.settings.membership import why_alone
from longlag.task import Task
from longlag.training.online import Online


def check_settings(settings: Mapping[str, Any], task: Task) -> None:
    """Check the settings of a run that is to learn on-line.

    Args:
        settings: of the run, with the values of environment variables.
        task: of the run.

    Raises:
        RequestError: on-line learning cannot do what one of them says.

    """
    if task.splits.batch_size != 1:
        raise RequestError(
            "optimizer=online learns from one sequence after the other: task.splits.batch_size must be 1,"
            f" got {task.splits.batch_size}"
        )
    if settings["trainer"].get("gradient_clip_val"):
        clip = settings["trainer"]["gradient_clip_val"]
        raise RequestError(f"optimizer=online clips no gradients: trainer.gradient_clip_val must be null, got {clip}")
    if (why := why_alone(settings, None)) is not None:
        raise RequestError(f"optimizer=online trains in the native engine, without Lightning's loop, but {why}")
    if task.loss_form is None:
        known = "those of RegressionTask, LogisticTask and ClassificationTask"
        raise RequestError(f"optimizer=online knows no losses but {known}; {type(task).__name__} has one of its own")


def check_model(model: Any, optimizer: Online, precision: str) -> None:
    """Check that the native engine trains a model on-line, and build the kernel for it.

    Args:
        model: the model of a run.
        optimizer: of the run.
        precision: of the Trainer.

    Raises:
        ValueError: it does not, or the kernel cannot be built.

    """
    if (why := refusal(model)) is not None:
        raise ValueError(why)
    carries_traces(model, optimizer.way, optimizer.update)
    entry = kernel_cell(model.cells[0])
    assert entry is not None
    online_library(entry.update, torch.float64 if precision == "64-true" else torch.float32)
