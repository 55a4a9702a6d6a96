"""One run, from its first step to its summary."""

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import Logger

from longlag.engine import Used
from longlag.errors import described
from longlag.runs import Status
from longlag.runs.provenance import command_line, commit_of, processor
from longlag.runs.status import FINISHED, State, now
from longlag.task.lightning_internals import is_first_process
from longlag.training.callbacks.stopping import Interrupted, OutOfTime, StopRequest, stop_requests
from longlag.training.checkpoint import read_checkpoint
from longlag.training.loggers.recorder import Recorder
from longlag.training.loggers.run_info import RunInfo
from longlag.training.module import Diverged, SequenceModule
from longlag.training.run_parts import RunParts
from longlag.training.run_plan import RunPlan
from longlag.training.train_log import logged_to


class Run:
    """A run that begins, so that its end can be recorded wherever it comes.

    Args:
        parts: of the run.

    """

    def __init__(self, parts: RunParts) -> None:
        self.plan = parts.plan
        self.parts = parts
        self.loggers: list[Logger] = []
        self.module: SequenceModule | None = None
        self._first = is_first_process()
        self._status = _first_status(parts.plan)

    def begin(self) -> None:
        """Record in the folder that the run begins."""
        self.plan.folder.path.mkdir(parents=True, exist_ok=True)
        if self._first:
            self.plan.folder.write_config(self.plan.config)
            self.plan.folder.write_status(self._status)

    def make_module(self, kind: type[SequenceModule] = SequenceModule) -> SequenceModule:
        """Make the LightningModule and the loggers of the run, and declare its metrics.

        Args:
            kind: the class of the module.

        """
        plan = self.plan
        self.module = kind(self.parts.model, plan.task, plan.optimizer, plan.seed, plan.metrics)
        if self._first:
            probe = () if plan.probe is None else plan.probe.metrics
            plan.folder.write_metric_declarations([*self.module.declared(), *probe])
        tags = (str(plan.facts["cell"]), str(plan.facts["task"]))
        step = read_checkpoint(plan.folder.last_checkpoint)["global_step"] if self.goes_on else None
        best_is = self.module.best_is
        info = RunInfo(plan.folder, plan.config, plan.title, plan.setting, plan.study, tags, step, best_is)
        self.loggers = plan.loggers(info)
        return self.module

    @property
    def goes_on(self) -> bool:
        """Whether the run has a checkpoint to go on from."""
        return self.plan.folder.last_checkpoint.exists()

    def train(self) -> None:
        """Fit, and test the weights of the last step."""
        trainer, module = self.parts.trainer, self.make_module()
        if trainer.precision == "64-true":
            module.double()  # Lightning would do this after a checkpoint is loaded, whose weights would lose digits
        self.parts.seed()
        trainer.loggers = self.loggers
        checkpoint = self.plan.folder.last_checkpoint if self.goes_on else None
        trainer.fit(module, datamodule=self.plan.task, ckpt_path=checkpoint, weights_only=True)
        trainer.test(module, datamodule=self.plan.task, verbose=False)

    @property
    def trainer(self) -> Any:
        """What counts the steps of the run: the Trainer."""
        return self.parts.trainer

    def seconds(self) -> float:
        """Return the time of the training."""
        return self.parts.timer.time_elapsed("train")

    def record_end(self, error: BaseException | None, log: logging.Logger) -> Status:
        """Record in the folder, and in W&B, how the run has ended.

        Args:
            error: the exception that has ended it; ``None`` if it has come to its end.
            log: of the run.

        Returns:
            The status, which is the last file that is written: a run that says it has ended has left everything behind.

        """
        state, reason = self._outcome(error)
        if state == "failed":
            log.error("the run failed", exc_info=error)
        summary = self._summary(state)
        ended = replace(self._status, state=state, reason=reason, step=summary.get("steps", 0), ended=now())
        engine = self._engine()
        if engine is not None:
            ended = replace(ended, engine=engine.name, engine_level=engine.level, engine_why=engine.why)
        ended = replace(ended, segments=tuple(self.parts.segments.known))
        try:
            if self._first:
                self.plan.folder.write_summary(summary)
        finally:
            self._close(state, summary, log)
        if self._first:
            self.plan.folder.write_status(ended)
        return ended

    def _outcome(self, error: BaseException | None) -> tuple[State, str]:
        """Return the state, and the reason where there is more to say."""
        match error:
            case None:
                return "done" if self.parts.solved.step is None else "solved", ""
            case Diverged():
                return "diverged", str(error)
            case Interrupted():
                return "interrupted", str(error)
            case OutOfTime():
                return "paused", str(error)
            case KeyboardInterrupt() | SystemExit():
                return "interrupted", f"{type(error).__name__}: cut off from outside"
            case _:
                return "failed", described(error)

    def _summary(self, state: State) -> dict[str, Any]:
        """Return the figures by which runs are compared; what is not finite or not known is ``None``."""
        module, solved = self.module, self.parts.solved
        probe = self.plan.probe
        figures: dict[str, Any] = {**self.plan.facts, "state": state, "solved": solved.step is not None}
        figures |= {"solved_step": solved.step, "solved_sequences": solved.sequences}
        if module is not None:
            steps = self.trainer.global_step
            batch = self.plan.task.splits.batch_size * self.trainer.accumulate_grad_batches
            figures |= {"steps": steps, "sequences": steps * batch}
            figures |= module.measured
            figures |= {f"{name}_{module.best_is[name]}": value for name, value in module.best.items()}
            figures["parameters"] = sum(p.numel() for p in module.model.parameters())
        if probe is not None:
            figures |= {f"{name}_init": value for name, value in probe.first.items()}
            figures["early_gradient_end"] = figures.pop("early_gradient", None)
        figures["seconds"] = round(self.seconds(), 3)
        return {key: None if isinstance(x, float) and not math.isfinite(x) else x for key, x in figures.items()}

    def _engine(self) -> Used | None:
        """Return the engine that ran the cells; all layers have the same cell. ``None`` before the first step."""
        return None if self.module is None else self.module.model.engines[0].used

    def _close(self, state: State, summary: dict[str, Any], log: logging.Logger) -> None:
        """Close the recorders, whatever has happened: the trouble of a mirror like W&B is logged and costs no run."""
        for recorder in (logger for logger in self.loggers if isinstance(logger, Recorder)):
            try:
                recorder.write_summary(summary)
                recorder.close(exit_code=0 if state in FINISHED else 1)
            except Exception:
                log.exception("%s could not be closed", type(recorder).__name__)


def train_run(plan: RunPlan, request: StopRequest | None = None) -> Status:
    """Train a run from its plan; see :func:`train_parts`."""
    return train_parts(RunParts(plan), request)


def train_parts(parts: RunParts, request: StopRequest | None = None) -> Status:
    """Train, and record the run in its folder, however it ends.

    A run that was cut goes on from its last checkpoint. An exception is the run's own: it is written to ``train.log``
    and to the status, and not raised.

    Args:
        parts: of the run.
        request: to stop; if there is none, this function listens to the signals of the process.

    Returns:
        The status in which the run ended; ``interrupted`` if it was asked to stop, which the caller should pass on;
        ``paused`` if its time budget was used.

    """
    if request is None:
        with stop_requests() as request:
            return train_parts(parts, request)
    parts.stop.request = request
    run = Run(parts)
    run.begin()
    error: BaseException | None = None
    with logged_to(parts.plan.folder.log) as log:
        try:
            run.train()
        except (Exception, KeyboardInterrupt, SystemExit) as raised:
            error = raised
        return run.record_end(error, log)


def _first_status(plan: RunPlan) -> Status:
    """Return the status of a run that begins, with the facts about this process."""
    repository = commit_of(Path.cwd())
    return Status(
        "running",
        started=now(),
        command=command_line(),
        processor=processor(),
        threads=torch.get_num_threads(),
        commit=None if repository is None else repository.commit,
        clean=None if repository is None else repository.clean,
        versions=plan.versions,
        sources=plan.sources,
    )
