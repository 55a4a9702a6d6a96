"""Everything that a run is made of, and nothing of it built yet."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torchmetrics
from lightning import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from rich.console import Console

from longlag.model import SequenceModel
from longlag.runs import RunFolder
from longlag.task import Task
from longlag.training.callbacks.probe import Probe
from longlag.training.loggers.run_info import RunInfo
from longlag.training.module import OptimizerFactory

_FIXED: dict[str, Any] = {
    "max_epochs": -1,  # steps are what counts, not epochs
    "check_val_every_n_epoch": None,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,  # a task gives each rank its share
    "enable_progress_bar": False,  # there is one of our own
    "enable_model_summary": False,
}


@dataclass(frozen=True)
class RunPlan:
    """Everything that a run is made of.

    Args:
        folder: where it writes.
        config: its settings, plain containers, written to ``config.yaml``.
        facts: what identifies the run in a table: cell, task, T, forget_bias, seed.
        seed: decides the weights.
        task: the task.
        model: makes the model; called after the seed is set.
        optimizer: makes the optimizer from the parameters.
        trainer: makes the Trainer from the loggers, callbacks and the like.
        arguments: the arguments of the Trainer that the settings give.
        loggers: makes the loggers.
        callbacks: Lightning callbacks beside those that every run has.
        metrics: metrics of torchmetrics, by their names, beside those of the task.
        probe: what is measured beside the loss, if anything is.
        stop_when_solved: whether training ends when the task is solved.
        study: the grid that the run belongs to.
        console: where progress is shown.
        title: names the run there, and in W&B.
        setting: names what the run shares with the runs of other seeds.
        place: where in a grid it is, for the progress bar.
        online: whether the native engine trains it after each sequence; see :class:`longlag.training.Online`.
        max_time: how long one command trains the run, ``DD:HH:MM:SS`` or a mapping; ``None`` without a limit.
        versions: of the packages that decide the numbers.
        sources: the SHA-256 of the files that define the cell and the task.

    """

    folder: RunFolder
    config: dict[str, Any]
    facts: dict[str, Any]
    seed: int
    task: Task
    model: Callable[[], SequenceModel]
    optimizer: OptimizerFactory
    trainer: Callable[..., Trainer]
    arguments: dict[str, Any]
    loggers: Callable[[RunInfo], list[Logger]]
    probe: Probe | None
    stop_when_solved: bool
    study: str
    console: Console
    title: str
    setting: str
    place: str = ""
    online: bool = False
    max_time: Any = None
    callbacks: list[Callback] = field(default_factory=list)
    metrics: dict[str, torchmetrics.Metric] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def make_trainer(self, loggers: list[Logger], callbacks: list[Callback], **changes: Any) -> Trainer:
        """Make the Trainer, with what a longlag run settles for it: see ``_FIXED``.

        Args:
            loggers: of the Trainer.
            callbacks: likewise.
            changes: arguments of the Trainer that replace others.

        """
        fixed = {"logger": loggers, "callbacks": callbacks, "default_root_dir": self.folder.path, **_FIXED}
        return self.trainer(**{**fixed, **changes})
