"""Settings -> the parts of a run. What is wrong with a setting is said here, before anything runs."""

import contextlib
import functools
import hashlib
import importlib.metadata
import inspect
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning import Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from rich.console import Console

from longlag.cli.requests import RequestError, near
from longlag.cli.settings import located, takes, title
from longlag.engine import engine_for
from longlag.model import SequenceModel
from longlag.runs import RunFolder
from longlag.task import Task
from longlag.training.log import silenced
from longlag.training.run import OWN_ARGUMENTS, RunPlan

#: The arguments of the model that are said elsewhere, and where.
_MODEL_OWN = {
    "cell": "cell=… and cell.…=… say it",
    "output_size": "the task says it",
    "readout": "the task says it",
    "engine": "engine=… says it",
}
_PACKAGES = ("longlag", "torch", "lightning", "hydra-core", "torchmetrics", "wandb")


def assemble(settings: dict[str, Any], folder: RunFolder, console: Console) -> RunPlan:
    """Make a run's plan from its settings.

    Raises:
        RequestError: a setting is wrong.

    """
    os.environ.pop("SLURM_NTASKS", None)  # or Lightning would look for the ranks, which a run starts itself, in SLURM
    task = task_of(settings)
    for name in OWN_ARGUMENTS & set(settings["trainer"]):
        raise RequestError(f"trainer.{name} is longlag's own to set (~trainer.{name} leaves it out)")
    return RunPlan(
        folder=folder,
        config=settings,
        facts=settings["run"],
        seed=settings["seed"],
        task=task,
        model=lambda: model_of(settings, task),
        optimizer=_made("optimizer", {**settings["optimizer"], "_partial_": True}),
        trainer=_made("trainer", {**settings["trainer"], "_partial_": True}),
        loggers=_made("logger", settings["logger"]),
        probe=_made("probe", settings["probe"]) if settings["probe"] else None,
        stop_when_solved=settings["stop_when_solved"],
        callbacks=[_made(f"callbacks.{name}", value) for name, value in (settings["callbacks"] or {}).items()],
        study=settings["study"],
        console=console,
        title=title(settings),
        versions=_versions(),
        sources={group: _source_digest(settings[group]["_target_"]) for group in ("cell", "task")},
    )


@functools.cache
def _versions() -> dict[str, str]:
    """Return the versions of what decides the numbers."""
    return {name: importlib.metadata.version(name) for name in _PACKAGES} | {"python": platform.python_version()}


def task_of(settings: Mapping[str, Any]) -> Task:
    """Make the task.

    Raises:
        RequestError: a setting is wrong, or it is no task.

    """
    task = _made("task", settings["task"])
    if not isinstance(task, Task):
        raise RequestError(f"task: {settings['task']['_target_']} is not a longlag.task.Task")
    return task


def model_of(settings: Mapping[str, Any], task: Task) -> SequenceModel:
    """Make the sequence model; the weights come from torch's global generator, as with plain PyTorch.

    Raises:
        RequestError: a setting of the cell, of ``init``, of ``model``, or the engine is wrong.

    """
    options = dict(settings["model"])
    layers = options.pop("layers", 1)
    if isinstance(layers, bool) or not isinstance(layers, int) or layers < 1:
        raise RequestError(f"model.layers must be a positive integer, got {layers!r}")
    for name in set(_MODEL_OWN) & set(options):
        raise RequestError(f"model.{name} is not a setting: {_MODEL_OWN[name]}")
    options |= {"output_size": task.output_size, "readout": task.readout, "engine": settings["engine"]}
    _refuse_unknown_arguments("model", {"_target_": "longlag.model.SequenceModel", **options})
    cells = [started_cell(settings, task.input_size)]
    while len(cells) < layers:
        cells.append(started_cell(settings, cells[-1].hidden_size))
    with _said("engine"):
        engine_for(options["engine"], cells[0])
    with _said("model"):
        return SequenceModel(cells, **options)


def started_cell(settings: Mapping[str, Any], input_size: int) -> Any:
    """Make a cell, and start its gates as ``init`` says.

    Raises:
        RequestError: a setting is wrong, or it is no cell.

    """
    if not settings["init"]:
        return cell_of(settings["cell"], input_size)
    start = _made("init", settings["init"])
    cell = cell_of({key: value for key, value in settings["cell"].items() if key != "forget_bias"}, input_size)
    with _said("init"):
        start(cell)
    return cell


def cell_of(settings: Mapping[str, Any], input_size: int) -> Any:
    """Make a cell from its settings, less a forget bias that its constructor does not take.

    Raises:
        RequestError: a setting is wrong, or it is no cell.

    """
    arguments = dict(settings)
    if not takes(located(settings["_target_"]), "forget_bias"):
        arguments.pop("forget_bias", None)
    cell = _made("cell", {**arguments, "input_size": input_size})
    for attribute in ("hidden_size", "initial_state"):
        if not hasattr(cell, attribute):
            raise RequestError(
                f"cell: {settings['_target_']} has no {attribute}; a subclass of longlag.cells.Cell has it"
            )
    return cell


def rehearse(plan: RunPlan) -> int:
    """Make every part of a run without running it, and return the number of processes that it wants on this machine.

    Raises:
        RequestError: something cannot be made.

    """
    with torch.random.fork_rng(devices=[]):
        model = plan.model()
    with _said("optimizer"):
        plan.optimizer(model.parameters())
    _check_trainer(plan.config["trainer"])
    with _said("trainer"), silenced():
        trainer = plan.make_trainer([], [])
    _check_devices(plan, trainer)
    return trainer.num_devices


def _check_trainer(settings: Mapping[str, Any]) -> None:
    """Check what Lightning would only stumble over, or hang on, in mid-run.

    Raises:
        RequestError: it would.

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


@contextlib.contextmanager
def _said(part: str) -> Iterator[None]:
    """Turn what a constructor objects to into a request error that names the part."""
    try:
        yield
    except RequestError:
        raise
    except Exception as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        plain = isinstance(cause, ValueError | MisconfigurationException)
        lines = str(cause).strip().splitlines() or [""]
        raise RequestError(f"{part}: {lines[0] if plain else f'{type(cause).__name__}: {lines[0]}'}") from error


def _made(part: str, settings: Mapping[str, Any]) -> Any:
    """Instantiate, after a look at the names of the arguments."""
    _refuse_unknown_arguments(part, settings)
    with _said(part):
        return instantiate(dict(settings), _convert_="all")


def _refuse_unknown_arguments(part: str, settings: Mapping[str, Any]) -> None:
    target = settings["_target_"]
    try:
        parameters = inspect.signature(located(target)).parameters
    except (TypeError, ValueError):  # something built in, which says nothing about itself
        return
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for name in settings:
        if not name.startswith("_") and name not in parameters:
            candidates = near(name, [p for p in parameters if p != "self"])
            hint = f"; did you mean {' or '.join(f'{part}.{c}' for c in candidates)}?" if candidates else ""
            raise RequestError(f"{part}: {target} takes no {name!r}{hint} (~{part}.{name} leaves it out)")


def _source_digest(target: str) -> str:
    try:
        source = inspect.getsourcefile(located(target))
    except TypeError:
        return ""
    return "" if source is None else hashlib.sha256(Path(source).read_bytes()).hexdigest()
