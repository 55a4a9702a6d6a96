"""One run, from its first step to its summary."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import lightning
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, Timer
from lightning.pytorch.loggers import Logger
from lightning_utilities.core.rank_zero import rank_zero_only
from rich.console import Console

from longlag.model import SequenceModel
from longlag.runs import RunFolder, Status
from longlag.runs.status import FINISHED, State, now
from longlag.task import Task
from longlag.training.lean import Checkpoints, lean
from longlag.training.log import logged_to
from longlag.training.loggers import RunCard, WandbMirror
from longlag.training.module import Diverged, OptimizerFactory, SequenceModule
from longlag.training.probe import Probe
from longlag.training.progress import ProgressBar
from longlag.training.solved import Solved
from longlag.training.stopping import Interrupted, StopRequest, StopWhenAsked, stop_requests

_FIXED: dict[str, Any] = {
    "max_epochs": -1,  # steps are what counts, not epochs
    "check_val_every_n_epoch": None,
    "num_sanity_val_steps": 0,
    "use_distributed_sampler": False,  # a task gives each rank its share
    "enable_progress_bar": False,  # there is one of our own
    "enable_model_summary": False,
}
#: The arguments of the Trainer that a run sets itself.
OWN_ARGUMENTS = frozenset({"logger", "callbacks", "default_root_dir", *_FIXED})


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
        loggers: makes the loggers.
        callbacks: Lightning callbacks beside those that every run has.
        probe: what is measured beside the loss, if anything is.
        stop_when_solved: whether training ends when the task is solved.
        study: the grid that the run belongs to.
        console: where progress is shown.
        title: names the run there, and in W&B.
        place: where in a grid it is, for the progress bar.
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
    loggers: Callable[[RunCard], list[Logger]]
    probe: Probe | None
    stop_when_solved: bool
    study: str
    console: Console
    title: str
    place: str = ""
    callbacks: list[Callback] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)

    def make_trainer(self, loggers: list[Logger], callbacks: list[Callback]) -> Trainer:
        """Make the Trainer, with what a longlag run settles for it: see ``OWN_ARGUMENTS``."""
        return self.trainer(logger=loggers, callbacks=callbacks, default_root_dir=self.folder.path, **_FIXED)


class _Run:
    """The moving parts of a run, so that its end can be told wherever it comes."""

    def __init__(self, plan: RunPlan, request: StopRequest) -> None:
        self.plan = plan
        self.request = request
        self.loggers: list[Logger] = []
        self.trainer: Trainer | None = None
        self.module: SequenceModule | None = None
        self.solved = Solved(stop=plan.stop_when_solved)
        self.timer = Timer()
        self._saving: dict[str, Any] = {"dirpath": plan.folder.checkpoints, "enable_version_counter": False}
        self.best = Checkpoints(filename="best", monitor="val/acc", mode="max", **self._saving)

    def train(self) -> None:
        """Fit, and test the weights of the last step."""
        plan = self.plan
        lightning.seed_everything(plan.seed, verbose=False)
        model = plan.model()
        checkpoint = plan.folder.last_checkpoint if plan.folder.last_checkpoint.exists() else None
        self.loggers = plan.loggers(self._card(checkpoint is not None))
        self.module = SequenceModule(model, plan.task, plan.optimizer, plan.seed)
        self.trainer = lean(plan.make_trainer(self.loggers, self._callbacks()), self.module)
        self.trainer.fit(self.module, datamodule=plan.task, ckpt_path=checkpoint)
        self.trainer.test(self.module, datamodule=plan.task, verbose=False)

    def summary(self, state: State) -> dict[str, Any]:
        """Return the figures by which runs are compared; what is not finite or not known is ``None``."""
        module, trainer, probe = self.module, self.trainer, self.plan.probe
        figures: dict[str, Any] = {**self.plan.facts, "state": state, "solved": self.solved.step is not None}
        figures |= {"solved_step": self.solved.step, "solved_sequences": self.solved.sequences}
        if module is not None and trainer is not None:
            batch = self.plan.task.splits.batch_size * trainer.accumulate_grad_batches
            figures |= {"steps": trainer.global_step, "sequences": trainer.global_step * batch}
            figures |= module.measured
            figures["val/acc_max"] = None if self.best.best_model_score is None else self.best.best_model_score.item()
            figures["parameters"] = sum(p.numel() for p in module.model.parameters())
        if probe is not None:
            figures |= {f"{name}_init": value for name, value in probe.first.items()}
            figures["early_gradient_end"] = figures.pop("early_gradient", None)
        figures["seconds"] = round(self.timer.time_elapsed("train"), 3)
        return {key: None if isinstance(x, float) and not math.isfinite(x) else x for key, x in figures.items()}

    def close(self, state: State, summary: dict[str, Any], log: logging.Logger) -> None:
        """Close W&B, whatever has happened. It is a mirror: its trouble is logged and does not cost the run."""
        for mirror in (logger for logger in self.loggers if isinstance(logger, WandbMirror)):
            try:
                mirror.write_summary(summary)
                mirror.close(exit_code=0 if state in FINISHED else 1)
            except Exception:
                log.exception("W&B could not be closed")

    def _callbacks(self) -> list[Callback]:
        last = Checkpoints(filename="last", **self._saving)  # at every validation
        mine: list[Callback] = [
            StopWhenAsked(self.request, self.plan.folder),
            self.solved,
            self.timer,
            ProgressBar(self.plan.place + self.plan.title, self.plan.console),
            self.best,
            last,
        ]
        return [*mine, *([] if self.plan.probe is None else [self.plan.probe]), *self.plan.callbacks]

    def _card(self, resumed: bool) -> RunCard:
        plan = self.plan
        step = None
        if resumed:
            step = torch.load(plan.folder.last_checkpoint, weights_only=True, map_location="cpu")["global_step"]
        tags = (str(plan.facts["cell"]), str(plan.facts["task"]))
        return RunCard(plan.folder, plan.config, plan.title, plan.study, tags, resume_at=step)


def train_run(plan: RunPlan, request: StopRequest | None = None) -> Status:
    """Train, and leave the whole story in the run folder, however it ends.

    A run that was cut goes on from its last checkpoint. An exception is the run's own: it is written to ``train.log``
    and to the status, and not raised.

    Args:
        plan: what the run is made of.
        request: to stop; if there is none, the signals of this process are listened to.

    Returns:
        The status in which the run ended; ``interrupted`` if it was asked to stop, which the caller should pass on.

    """
    if request is None:
        with stop_requests() as request:
            return train_run(plan, request)
    first = getattr(rank_zero_only, "rank", 0) == 0
    plan.folder.path.mkdir(parents=True, exist_ok=True)
    status = Status("running", started=now(), versions=plan.versions, sources=plan.sources)
    if first:
        plan.folder.write_config(plan.config)
        plan.folder.write_status(status)
    run = _Run(plan, request)
    state: State = "failed"
    reason = ""
    with logged_to(plan.folder.log) as log:
        try:
            run.train()
            state = "done" if run.solved.step is None else "solved"
        except Diverged as error:
            state, reason = "diverged", str(error)
        except Interrupted as error:
            state, reason = "interrupted", str(error)
        except (KeyboardInterrupt, SystemExit) as error:
            state, reason = "interrupted", f"{type(error).__name__}: cut off from outside"
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            log.exception("the run failed")
        summary = run.summary(state)
        ended = replace(status, state=state, reason=reason, step=summary.get("steps", 0), ended=now())
        try:
            if first:
                plan.folder.write_summary(summary)
        finally:
            run.close(state, summary, log)
        if first:
            plan.folder.write_status(ended)  # the last word: a run that says it has ended has left everything behind
    return ended
