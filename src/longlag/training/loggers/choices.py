"""The choices of loggers: one class for each YAML in ``conf/logger/``."""

import importlib.util
import logging
import re

from lightning.pytorch.loggers import Logger

from longlag.training.loggers.run_folder import MetricsLogger
from longlag.training.loggers.run_info import RunInfo
from longlag.wandb_internals import switched_off

_log = logging.getLogger("longlag")


class NoLoggers:
    """No curves at all."""

    def __call__(self, info: RunInfo) -> list[Logger]:
        """Return no logger."""
        return []


class CsvLoggers:
    """The run folder alone."""

    def __call__(self, info: RunInfo) -> list[Logger]:
        """Return the logger of the run folder."""
        return [MetricsLogger(info)]


class WandbLoggers:
    """The run folder, and W&B as its mirror.

    Args:
        mode: ``offline`` or ``online``.
        project: the W&B project.
        entity: the W&B user or team; ``None`` for the default one.

    Raises:
        ValueError: there is no such mode, or W&B does not take the name of the project.

    """

    def __init__(self, mode: str, project: str, entity: str | None) -> None:
        if mode not in ("offline", "online"):
            raise ValueError(f"mode must be offline or online, got {mode!r} (logger=csv does without W&B)")
        if not isinstance(project, str) or not re.fullmatch(r"[^/\\#?%:\s]{1,128}", project):
            raise ValueError(f"project must be a name without spaces and any of / \\ # ? % :, got {project!r}")
        self.mode = mode
        self.project = project
        self.entity = entity

    def __call__(self, info: RunInfo) -> list[Logger]:
        """Return the logger of the run folder, and one that mirrors it to W&B unless the environment forbids it."""
        if switched_off():
            _log.info("WANDB_MODE=disabled or WANDB_DISABLED: the run is not copied to W&B")
            return [MetricsLogger(info)]
        from longlag.training.loggers.wandb_mirror import WandbMirror  # the import of W&B takes half a second

        return [MetricsLogger(info), WandbMirror(info, self.mode, self.project, self.entity)]


class TensorBoardLoggers:
    """The run folder, and TensorBoard's event files in it.

    Raises:
        ValueError: TensorBoard is not installed.

    """

    def __init__(self) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise ValueError("TensorBoard is not installed: pip install 'longlag[tensorboard]'")

    def __call__(self, info: RunInfo) -> list[Logger]:
        """Return the logger of the run folder, and that of TensorBoard."""
        from longlag.training.loggers.tensorboard_mirror import TensorBoardMirror  # imports TensorBoard

        return [MetricsLogger(info), TensorBoardMirror(info)]
