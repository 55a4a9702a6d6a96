"""Where a run's figures go: the run folder, and W&B as its mirror."""

import re
import time
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning_utilities.core.rank_zero import rank_zero_only

from longlag.runs.error_flow import ErrorFlowTable
from longlag.runs.metrics import MetricsTable
from longlag.training.card import RunCard
from longlag.training.wandb_mirror import WandbMirror

__all__ = ["CsvLoggers", "MetricsLogger", "NoLoggers", "RunCard", "WandbLoggers", "WandbMirror"]


class NoLoggers:
    """No curves at all."""

    def __call__(self, card: RunCard) -> list[Logger]:
        """Return no logger."""
        return []


class CsvLoggers:
    """The run folder alone."""

    def __call__(self, card: RunCard) -> list[Logger]:
        """Return the logger of the run folder."""
        return [MetricsLogger(card)]


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

    def __call__(self, card: RunCard) -> list[Logger]:
        """Return the logger of the run folder and one that mirrors it to W&B."""
        return [MetricsLogger(card), WandbMirror(card, self.mode, self.project, self.entity)]


class MetricsLogger(Logger):
    """Write ``metrics.csv``, whole each time, and ``error_flow.csv``, which grows.

    Both are written before every checkpoint, and beside that seldom enough to cost a fiftieth of the run.
    """

    def __init__(self, card: RunCard) -> None:
        super().__init__()
        self.card = card
        self.table = MetricsTable(card.folder.metrics, until=card.resume_at)
        self.error_flow = ErrorFlowTable(card.folder.error_flow, until=card.resume_at)
        self._next_write = 0.0

    @property
    def name(self) -> str:
        """The study."""
        return self.card.study

    @property
    def version(self) -> str:
        """The run."""
        return self.card.folder.path.name

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the settings are in ``config.yaml``."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add figures to the row of a step."""
        assert step is not None
        self.table.add(step, metrics)
        self.save()

    @rank_zero_only
    def log_error_flow(self, step: int, flows: Mapping[int, Mapping[str, list[float]]]) -> None:
        """Add a measurement of the error flow.

        Args:
            step: the optimizer steps taken.
            flows: layer -> column of ``error_flow.csv`` -> a value for each lag, from lag 0 on.

        """
        for layer, lags in flows.items():
            self.error_flow.add(step, layer, lags)

    @rank_zero_only
    def save(self) -> None:
        """Write the files, if the last time is long enough ago."""
        if time.monotonic() >= self._next_write:
            self._write()

    @rank_zero_only
    def before_save_checkpoint(self) -> None:
        """Write the files: a run that goes on from this checkpoint must find all rows up to it."""
        self._write()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the files."""
        self._write(durable=True)

    def _write(self, durable: bool = False) -> None:
        start = time.monotonic()
        self.table.write(durable)
        self.error_flow.write(durable)
        end = time.monotonic()
        self._next_write = end + max(0.5, 50 * (end - start))
