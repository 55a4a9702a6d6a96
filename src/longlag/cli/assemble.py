"""Settings -> the parts of a run. What is wrong with a setting is said here, before anything runs."""

import contextlib
import hashlib
import importlib.metadata
import inspect
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from rich.console import Console

from longlag.cli.configs import located, takes, title
from longlag.cli.requests import RequestError, near
from longlag.model import SequenceModel
from longlag.runs import RunFolder
from longlag.task import Task
from longlag.training.log import silenced
from longlag.training.run import RunPlan

_PACKAGES = ("longlag", "torch", "lightning", "hydra-core", "torchmetrics", "wandb")


def assemble(settings: dict[str, Any], folder: RunFolder, console: Console) -> RunPlan:
    """Make a run's plan from its settings.

    Raises:
        RequestError: a setting is wrong.

    """
    task = task_of(settings)
    callbacks = settings["callbacks"] or {}
    return RunPlan(
        folder=folder,
        config=settings,
        facts=settings["run"],
        seed=settings["seed"],
        task=task,
        model=lambda: model_of(settings, task),
        optimizer=_made("optimizer", settings["optimizer"]),
        trainer=_made("trainer", {**settings["trainer"], "_partial_": True}),
        loggers=_made("logger", settings["logger"]),
        probe=_made("probe", settings["probe"]) if settings["probe"] else None,
        stop_when_solved=settings["stop_when_solved"],
        callbacks=[_made(f"callbacks.{name}", value) for name, value in callbacks.items()],
        study=settings["study"],
        console=console,
        title=title(settings),
        versions={name: importlib.metadata.version(name) for name in _PACKAGES} | {"python": platform.python_version()},
        sources={group: _source_digest(settings[group]["_target_"]) for group in ("cell", "task")},
    )


def task_of(settings: Mapping[str, Any]) -> Task:
    """Make the task.

    Raises:
        RequestError: a setting is wrong, or it is no task.

    """
    task = _made("task", settings["task"])
    if not isinstance(task, Task):
        raise RequestError(f"task: {settings['task'].get('_target_')} is not a longlag.task.Task")
    return task


def model_of(settings: Mapping[str, Any], task: Task) -> SequenceModel:
    """Make the sequence model; the weights come from torch's global generator, as with plain PyTorch.

    Raises:
        RequestError: a setting of the cell, or the engine, is wrong.

    """
    cell = cell_of(settings["cell"], task.input_size)
    with _said("engine"):
        return SequenceModel(cell, task.output_size, readout=task.readout, engine=settings["engine"])


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
        RequestError: something cannot be made, or the folder cannot be written to.

    """
    with torch.random.fork_rng(devices=[]):
        model = plan.model()
    with _said("optimizer"):
        plan.optimizer(model.parameters())
    with _said("trainer"), silenced():
        trainer = plan.make_trainer([], [])
    if trainer.max_steps < 1:
        raise RequestError(f"trainer.max_steps must be at least 1, got {trainer.max_steps}")
    if plan.task.splits.batch_size % trainer.world_size:
        raise RequestError(
            f"task.splits.batch_size must be a multiple of the {trainer.world_size} devices,"
            f" got {plan.task.splits.batch_size}"
        )
    return trainer.num_devices


@contextlib.contextmanager
def _said(part: str) -> Iterator[None]:
    """Turn what a constructor objects to into a request error that names the part."""
    try:
        yield
    except (ValueError, TypeError, MisconfigurationException, InstantiationException) as error:
        cause = error.__cause__ if isinstance(error, InstantiationException) and error.__cause__ else error
        raise RequestError(f"{part}: {_first_sentence(cause)}") from error


def _made(part: str, settings: Mapping[str, Any]) -> Any:
    """Instantiate, after a look at the names of the arguments."""
    target = settings.get("_target_")
    if target is None:
        raise RequestError(f"{part}: no _target_")
    _refuse_unknown_arguments(part, target, settings)
    with _said(part):
        return instantiate(dict(settings), _convert_="all")


def _refuse_unknown_arguments(part: str, target: str, settings: Mapping[str, Any]) -> None:
    try:
        parameters = inspect.signature(located(target)).parameters
    except (ValueError, TypeError):
        return
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for name in settings:
        if not name.startswith("_") and name not in parameters:
            candidates = near(name, [p for p in parameters if p != "self"])
            hint = f"; did you mean {' or '.join(f'{part}.{c}' for c in candidates)}?" if candidates else ""
            raise RequestError(f"{part}: {target} takes no {name!r}{hint} (~{part}.{name} leaves it out)")


def _source_digest(target: str) -> str:
    source = inspect.getsourcefile(located(target))
    return "" if source is None else hashlib.sha256(Path(source).read_bytes()).hexdigest()


def _first_sentence(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
