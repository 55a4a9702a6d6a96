"""Settings -> the plan and the parts of a run. A wrong setting is refused here, before anything runs."""

import functools
import hashlib
import importlib.metadata
import inspect
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import Trainer
from rich.console import Console

from longlag.errors import RequestError
from longlag.runs import RunFolder
from longlag.settings.build import build_model, build_task, components_of
from longlag.settings.component import Component, named_errors
from longlag.settings.environment import values_of
from longlag.settings.names import run_title, setting_title
from longlag.training.run_parts import RunParts
from longlag.training.run_plan import OWN_ARGUMENTS, RunPlan
from longlag.training.split_metrics import check_metric
from longlag.training.train_log import silenced

_PACKAGES = ("longlag", "torch", "lightning", "hydra-core", "torchmetrics", "wandb")


def plan_of(settings: dict[str, Any], folder: RunFolder, console: Console) -> RunPlan:
    """Make a run's plan from its settings, and read the environment variables that they name.

    Raises:
        RequestError: a setting is wrong.

    """
    os.environ.pop("SLURM_NTASKS", None)  # or Lightning would look for the ranks, which a run starts itself, in SLURM
    values = values_of(settings)
    parts = components_of(values)
    task = build_task(values, parts)
    for name in OWN_ARGUMENTS & set(values["trainer"]):
        raise RequestError(f"trainer.{name} is longlag's own to set (~trainer.{name} leaves it out)")
    _check_trainer(values["trainer"])
    return RunPlan(
        folder=folder,
        config=settings,
        facts=values["run"],
        seed=values["seed"],
        task=task,
        model=lambda: build_model(values, task, parts),
        optimizer=parts["optimizer"].make({**values["optimizer"], "_partial_": True}),
        trainer=parts["trainer"].make({**values["trainer"], "_partial_": True}),
        loggers=parts["logger"].make(values["logger"]),
        probe=parts["probe"].make(values["probe"]) if values["probe"] else None,
        stop_when_solved=values["stop_when_solved"],
        callbacks=[parts[f"callbacks.{name}"].make(each) for name, each in values["callbacks"].items()],
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


def build_parts(plan: RunPlan) -> RunParts:
    """Build every part of a run without running it.

    Raises:
        RequestError: a part cannot be built.

    """
    parts = RunParts(plan)
    model = parts.model
    with named_errors("optimizer"):
        plan.optimizer(model.parameters())
    for name, metric in plan.metrics.items():
        with named_errors(f"metrics.{name}"), silenced():
            check_metric(name, metric, plan.task)
    with named_errors("trainer"), silenced():
        trainer = parts.trainer
    _check_devices(plan, trainer)
    return parts


def _check_trainer(settings: Mapping[str, Any]) -> None:
    """Check the settings that Lightning would fail at, or hang on, in mid-run.

    Raises:
        RequestError: one is wrong.

    """
    for name in ("max_steps", "val_check_interval", "log_every_n_steps", "accumulate_grad_batches", "num_nodes"):
        value = settings.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise RequestError(f"trainer.{name} must be a positive integer, got {value!r}")
    accumulated = settings.get("accumulate_grad_batches", 1)
    if settings.get("val_check_interval", accumulated) % accumulated:
        raise RequestError(
            f"trainer.val_check_interval must be a multiple of accumulate_grad_batches={accumulated}, so that no"
            f" checkpoint falls between two halves of a step; got {settings['val_check_interval']}"
        )
    if any(kind in str(settings.get("strategy")) for kind in ("spawn", "fork", "notebook")):
        raise RequestError(
            f"trainer.strategy={settings['strategy']}: the ranks are processes of their own; ddp does it"
        )


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
