"""Settings -> the plan and the parts of a run. A wrong setting is refused here, before anything runs."""

import functools
import hashlib
import importlib.metadata
import inspect
import os
import platform
from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import Timer
from rich.console import Console

from longlag.errors import RequestError
from longlag.runs import RunFolder
from longlag.runs.schema import strange
from longlag.settings.build import Components, build_model, build_task, components_of, size_of
from longlag.settings.component import Component, named_errors
from longlag.settings.environment import values_of
from longlag.settings.memory import Machine, check_run, this_machine
from longlag.settings.names import run_title, setting_title
from longlag.settings.online_learning import check_model, check_settings
from longlag.settings.trainer_arguments import check_trainer
from longlag.training.online import Online
from longlag.training.run_parts import RunParts
from longlag.training.run_plan import RunPlan
from longlag.training.split_metrics import check_metric
from longlag.training.train_log import silenced

_PACKAGES = ("longlag", "torch", "lightning", "hydra-core", "torchmetrics", "wandb")


def plan_of(settings: dict[str, Any], folder: RunFolder, console: Console, machine: Machine | None = None) -> RunPlan:
    """Make a run's plan from its settings, and read the environment variables that they name.

    Args:
        settings: of the run.
        folder: of the run.
        console: where its progress is drawn.
        machine: where the run is trained; this machine by default.

    Raises:
        RequestError: a setting is wrong, or the run needs more memory than there is.

    """
    machine = machine or this_machine()
    os.environ.pop("SLURM_NTASKS", None)  # or Lightning would look for the ranks, which a run starts itself, in SLURM
    values = values_of(settings)
    parts = components_of(values)
    task = build_task(values, parts, machine)
    check_trainer(values["trainer"], task.splits.batch_size)
    _check_callbacks(parts)
    online = parts["optimizer"].cls is Online
    if online:
        check_settings(values, task)
    check_run(values, task, parts["cell"].cls, size_of(values, task, parts, machine), machine)
    if (why := strange(values)) is not None:  # and no reader of the run's folder would take it
        raise RequestError(why)
    trainer = {key: value for key, value in values["trainer"].items() if key != "max_time"}
    return RunPlan(
        folder=folder,
        config=settings,
        facts=values["run"],
        seed=values["seed"],
        task=task,
        model=lambda: build_model(values, task, parts, machine),
        optimizer=parts["optimizer"].make({**values["optimizer"], "_partial_": True}),
        trainer=parts["trainer"].make({**trainer, "_partial_": True}),
        arguments={key: value for key, value in trainer.items() if key != "_target_"},
        loggers=parts["logger"].make(values["logger"]),
        probe=parts["probe"].make(values["probe"]) if values["probe"] else None,
        stop_when_solved=values["stop_when_solved"],
        callbacks=[parts[f"callbacks.{name}"].make(each) for name, each in values["callbacks"].items()],
        online=online,
        max_time=values["trainer"].get("max_time"),
        metrics={name: parts[f"metrics.{name}"].make(each) for name, each in values["metrics"].items()},
        study=values["study"],
        console=console,
        title=run_title(values),
        setting=setting_title(values),
        versions=_versions(),
        sources={group: _source_digest(parts[group]) for group in ("cell", "task")},
    )


@functools.cache
def _versions() -> dict[str, str]:
    """Return the versions of the packages that decide the numbers."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES} | {"python": platform.python_version()}


def build_parts(plan: RunPlan, trainer: bool = True) -> RunParts:
    """Build every part of a run without running it.

    Args:
        plan: of the run.
        trainer: whether the Trainer is built and checked too; of runs with the same settings for it, one is enough.

    Raises:
        RequestError: a part cannot be built.

    """
    parts = RunParts(plan)
    model = parts.model
    with named_errors("optimizer"):
        optimizer = plan.optimizer(model.parameters())
        if isinstance(optimizer, Online):
            check_model(model, optimizer, str(plan.arguments["precision"]))
    for name, metric in plan.metrics.items():
        with named_errors(f"metrics.{name}"), silenced():
            check_metric(name, metric, plan.task)
    if trainer:
        with named_errors("trainer"), silenced():
            _check_devices(plan, parts.trainer)
    return parts


def _check_callbacks(parts: Components) -> None:
    """Check that no callback does what a run does itself.

    Raises:
        RequestError: one does.

    """
    for part, component in parts.items():
        if part.startswith("callbacks.") and isinstance(component.cls, type) and issubclass(component.cls, Timer):
            raise RequestError(f"{part}: a run has a Timer; trainer.max_time=DD:HH:MM:SS ends a run in time")


def _check_devices(plan: RunPlan, trainer: Trainer) -> None:
    splits, world = plan.task.splits, trainer.world_size
    if splits.batch_size % world:
        raise RequestError(f"task.splits.batch_size must be a multiple of the {world} devices, got {splits.batch_size}")
    for name in ("val_size", "test_size"):
        if getattr(splits, name) < world:
            raise RequestError(f"task.splits.{name} must be at least the {world} devices, got {getattr(splits, name)}")


def _source_digest(component: Component) -> str:
    try:
        source = inspect.getsourcefile(component.cls)
    except TypeError:
        return ""
    return "" if source is None else hashlib.sha256(Path(source).read_bytes()).hexdigest()
