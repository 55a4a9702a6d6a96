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
from longlag.training.loggers.run_info import RunInfo
from longlag.training.loggers.wandb_mirror import WandbMirror
from longlag.training.module import Diverged, SequenceModule
from longlag.training.run_parts import RunParts
from longlag.training.run_plan import RunPlan
from longlag.training.train_log import logged_to


class _Run:
    """A run that has begun, so that its end can be recorded wherever it comes."""

    def __init__(self, parts: RunParts) -> None:
        self.plan = parts.plan
        self.parts = parts
        self.loggers: list[Logger] = []
        self.module: SequenceModule | None = None

    def train(self) -> None:
        """Fit, and test the weights of the last step."""
        plan, model, trainer = self.plan, self.parts.model, self.parts.trainer
        self.parts.seed()
        checkpoint = plan.folder.last_checkpoint if plan.folder.last_checkpoint.exists() else None
        self.module = SequenceModule(model, plan.task, plan.optimizer, plan.seed, plan.metrics)
        if is_first_process():
            probe = () if plan.probe is None else plan.probe.metrics
            plan.folder.write_metric_declarations([*self.module.declared(), *probe])
        self.loggers = trainer.loggers = plan.loggers(self._info(self.module, checkpoint is not None))
        trainer.fit(self.module, datamodule=plan.task, ckpt_path=checkpoint, weights_only=True)
        trainer.test(self.module, datamodule=plan.task, verbose=False)

    def summary(self, state: State) -> dict[str, Any]:
        """Return the figures by which runs are compared; what is not finite or not known is ``None``."""
        module, solved = self.module, self.parts.solved
        probe = self.plan.probe
        figures: dict[str, Any] = {**self.plan.facts, "state": state, "solved": solved.step is not None}
        figures |= {"solved_step": solved.step, "solved_sequences": solved.sequences}
        if module is not None:
            trainer = self.parts.trainer
            batch = self.plan.task.splits.batch_size * trainer.accumulate_grad_batches
            figures |= {"steps": trainer.global_step, "sequences": trainer.global_step * batch}
            figures |= module.measured
            figures |= {f"{name}_{module.best_is[name]}": value for name, value in module.best.items()}
            figures["parameters"] = sum(p.numel() for p in module.model.parameters())
        if probe is not None:
            figures |= {f"{name}_init": value for name, value in probe.first.items()}
            figures["early_gradient_end"] = figures.pop("early_gradient", None)
        figures["seconds"] = round(self.parts.timer.time_elapsed("train"), 3)
        return {key: None if isinstance(x, float) and not math.isfinite(x) else x for key, x in figures.items()}

    def engine(self) -> Used | None:
        """Return the engine that ran the cells; all layers have the same cell. ``None`` before the first step."""
        return None if self.module is None else self.module.model.engines[0].used

    def close(self, state: State, summary: dict[str, Any], log: logging.Logger) -> None:
        """Close W&B, whatever has happened. It is a mirror: its trouble is logged and does not cost the run."""
        for mirror in (logger for logger in self.loggers if isinstance(logger, WandbMirror)):
            try:
                mirror.write_summary(summary)
                mirror.close(exit_code=0 if state in FINISHED else 1)
            except Exception:
                log.exception("W&B could not be closed")

    def _info(self, module: SequenceModule, resumed: bool) -> RunInfo:
        plan = self.plan
        step = None
        if resumed:
            step = read_checkpoint(plan.folder.last_checkpoint)["global_step"]
        tags = (str(plan.facts["cell"]), str(plan.facts["task"]))
        return RunInfo(plan.folder, plan.config, plan.title, plan.setting, plan.study, tags, step, module.best_is)


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
    plan, parts.stop.request = parts.plan, request
    first = is_first_process()
    plan.folder.path.mkdir(parents=True, exist_ok=True)
    status = _first_status(plan)
    if first:
        plan.folder.write_config(plan.config)
        plan.folder.write_status(status)
    run = _Run(parts)
    state: State = "failed"
    reason = ""
    with logged_to(plan.folder.log) as log:
        try:
            run.train()
            state = "done" if parts.solved.step is None else "solved"
        except Diverged as error:
            state, reason = "diverged", str(error)
        except Interrupted as error:
            state, reason = "interrupted", str(error)
        except OutOfTime as error:
            state, reason = "paused", str(error)
        except (KeyboardInterrupt, SystemExit) as error:
            state, reason = "interrupted", f"{type(error).__name__}: cut off from outside"
        except Exception as error:
            reason = described(error)
            log.exception("the run failed")
        summary = run.summary(state)
        ended = replace(status, state=state, reason=reason, step=summary.get("steps", 0), ended=now())
        engine = run.engine()
        if engine is not None:
            ended = replace(ended, engine=engine.name, engine_level=engine.level, engine_why=engine.why)
        ended = replace(ended, segments=tuple(parts.segments.known))
        try:
            if first:
                plan.folder.write_summary(summary)
        finally:
            run.close(state, summary, log)
        if first:
            plan.folder.write_status(ended)  # the last word: a run that says it has ended has left everything behind
    return ended


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
