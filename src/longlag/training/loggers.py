"""Where a run's figures go: the run folder, and W&B as its mirror."""

import re
import secrets
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import Logger, WandbLogger
from lightning_utilities.core.rank_zero import rank_zero_only

from longlag.runs import RunFolder
from longlag.runs.files import write_whole
from longlag.runs.metrics import MetricsTable


@dataclass(frozen=True)
class RunCard:
    """What a logger is told about a run.

    Args:
        folder: where it writes.
        config: its settings, plain containers.
        name: for a person to read.
        study: the grid that it belongs to.
        tags: the cell and the task.
        resume_at: the step from which it goes on; ``None`` for a new run.

    """

    folder: RunFolder
    config: dict[str, Any]
    name: str
    study: str
    tags: tuple[str, ...]
    resume_at: int | None = None


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
    """Write ``metrics.csv``, whole each time, and seldom enough to cost at most a fiftieth of the run."""

    def __init__(self, card: RunCard) -> None:
        super().__init__()
        self.card = card
        self.table = MetricsTable(card.folder.metrics, until=card.resume_at)
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
    def save(self) -> None:
        """Write the file, if the last time is long enough ago."""
        start = time.monotonic()
        if start >= self._next_write:
            self.table.write()
            end = time.monotonic()
            self._next_write = end + max(0.5, 50 * (end - start))

    @rank_zero_only
    def after_save_checkpoint(self, checkpoint_callback: object) -> None:
        """Write the file: a run that is resumed from this checkpoint must find all rows up to it."""
        self.table.write()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the file."""
        self.table.write()


class WandbMirror(WandbLogger):
    """W&B's own Lightning logger, with the axes, names and summary of a longlag run."""

    def __init__(self, card: RunCard, mode: str, project: str, entity: str | None) -> None:
        self.run = _started(card, mode, project, entity) if getattr(rank_zero_only, "rank", 0) == 0 else None
        super().__init__(name=card.name, save_dir=card.folder.path, project=project, experiment=self.run)

    @rank_zero_only
    def write_summary(self, summary: dict[str, Any]) -> None:
        """Set the figures by which runs are compared."""
        if self.run is not None:
            self.run.summary.update(summary)

    @rank_zero_only
    def close(self, exit_code: int) -> None:
        """End the W&B run; without this, the figures of the next run in this process would land in this one."""
        if self.run is not None:
            self.run.finish(exit_code=exit_code)


def _started(card: RunCard, mode: str, project: str, entity: str | None) -> wandb.Run:
    """Start the W&B run; the curves' axis is the optimizer step, with the training sequences beside it.

    Raises:
        ConnectionError: there is no account, or no way to the server.

    """
    try:
        run = wandb.init(
            dir=card.folder.path.resolve(),  # W&B's service process has a current folder of its own
            id=_wandb_id(card.folder.path / "wandb"),
            resume="allow",
            name=card.name,
            project=project,
            entity=entity,
            group=card.study,
            job_type="train",
            tags=list(card.tags),
            config=card.config,
            mode="online" if mode == "online" else "offline",
            settings=wandb.Settings(console="off", x_disable_stats=True, silent=mode == "offline", init_timeout=30),
        )
    except wandb.Error as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConnectionError(
            f"W&B did not start: {reason}; logger.mode=offline needs no account, no network"
        ) from error
    run.define_metric("trainer/global_step")
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return run


def _wandb_id(folder: Path) -> str:
    """Return the id under which W&B knows the run; it is kept in the folder, so that a resumed run is the same one."""
    path = folder / "run-id"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, secrets.token_hex(4))
    return path.read_text()
