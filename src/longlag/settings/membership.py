"""Which runs may train in one batch, as the members of a population, and why another run trains alone.

A member has values of its own: its seeds, its forget bias and its initial weights, the numbers of its optimizer, its
gradient clipping, its budget, and what its task draws. All that decides the shapes and the equations is shared.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import torch
from lightning import Trainer
from torch.optim import LBFGS, SparseAdam

from longlag.settings.names import by_public_names
from longlag.settings.targets import import_target
from longlag.task import Split, Task
from longlag.training import Online
from longlag.training.population.backend import ENGINES, Backend, accelerators

#: What a population needs of the Trainer: argument -> its value, or its values.
_TRAINER: dict[str, tuple[Any, ...]] = {
    "accumulate_grad_batches": (1,),
    "devices": (1,),
    "num_nodes": (1,),
    "strategy": ("auto",),
    "precision": ("32-true", "64-true"),
}
#: The arguments of the Trainer in which members may differ.
_OWN_OF_TRAINER = ("gradient_clip_val", "max_steps", "max_time")
#: The arguments of the Trainer that all members share.
_SHARED_OF_TRAINER = (
    "_target_", "accelerator", "deterministic", "gradient_clip_algorithm", "val_check_interval", "log_every_n_steps",
)  # fmt: skip
_SHARED = ("model", "engine", "probe", "logger", "metrics")


class TaskShape(NamedTuple):
    """What the members' tasks have in common: a batch of each has this shape.

    Args:
        task: the class.
        splits: the class of the splits.
        sizes: inputs, outputs, T, and the sizes of the splits and of a training batch.
        steps: of a sequence of each split.
        readout: where the outputs are read.
        loss: its form; see :attr:`longlag.task.Task.loss_form`.

    """

    task: str
    splits: str
    sizes: tuple[int | None, ...]
    steps: tuple[int, ...]
    readout: str
    loss: str | None

    @classmethod
    def of(cls, task: Task) -> "TaskShape":
        """Return the shape of a task."""
        splits = task.splits
        sizes = task.input_size, task.output_size, task.T, splits.batch_size, splits.train_size
        return cls(
            _name(type(task)),
            _name(type(splits)),
            (*sizes, splits.val_size, splits.test_size),
            tuple(task.steps(split) for split in get_args(Split)),
            task.readout,
            task.loss_form,
        )


def refusal(cell: Any, settings: Mapping[str, Any]) -> str | None:
    """Return why no engine that runs populations runs a cell here; ``None`` if one does, or the settings want another.

    Args:
        cell: of the run.
        settings: of the run, with the values of environment variables.

    """
    if settings["engine"] not in ENGINES:
        return None
    return Backend.of(settings["engine"], settings["trainer"]).refusal(cell)


def why_alone(settings: Mapping[str, Any], refused: str | None) -> str | None:
    """Return in a few words why a run trains alone; ``None`` if it may join a population.

    Args:
        settings: of the run, with the values of environment variables.
        refused: why no engine runs its cell in a population; see :func:`refusal`.

    """
    return next(_reasons(settings, refused), None)


def kind(settings: Mapping[str, Any], shape: TaskShape) -> str:
    """Return what the members of one population share, as text; runs that may train together share this text.

    Args:
        settings: of the run, with the values of environment variables.
        shape: of its task.

    """
    shared: dict[str, Any] = {key: settings[key] for key in _SHARED}
    shared["cell"] = {key: value for key, value in settings["cell"].items() if key != "forget_bias"}
    shared["optimizer"] = {key: value for key, value in settings["optimizer"].items() if not _is_number(value)}
    shared["trainer"] = {key: value for key, value in settings["trainer"].items() if key not in _OWN_OF_TRAINER}
    return json.dumps([by_public_names(shared), shape], sort_keys=True, default=str)


def _reasons(settings: Mapping[str, Any], refused: str | None) -> Iterator[str]:
    for name in settings["callbacks"]:
        yield f"callbacks.{name} is a callback of your own"
    for part in ("logger", "probe"):
        if settings[part] and settings[part]["_target_"].split(".")[0] != "longlag":
            yield f"{part} is a class of your own"
    online = import_target(settings["optimizer"]["_target_"]) is Online  # which the native engine learns alone
    yield from _reasons_of_engine(settings["engine"], ("auto", "native") if online else ENGINES)
    yield from _reasons_of_trainer(settings["trainer"], ("cpu",) if online else accelerators())
    yield from _reasons_of_optimizer(settings["optimizer"])
    if refused is not None:
        yield refused


def _reasons_of_engine(engine: Any, known: Sequence[str]) -> Iterator[str]:
    if isinstance(engine, Mapping):
        yield "engine is a class of your own"
    elif engine not in known:
        yield f"engine={engine}"


def _reasons_of_trainer(trainer: Mapping[str, Any], accelerators: Sequence[str]) -> Iterator[str]:
    if import_target(trainer["_target_"]) is not Trainer:
        yield "trainer is a class of your own"
    for name, values in {**_TRAINER, "accelerator": accelerators}.items():
        if name in trainer and (trainer[name] not in values or isinstance(trainer[name], bool)):
            yield f"trainer.{name}={_text(trainer[name])}"
    interval = trainer.get("val_check_interval")
    if isinstance(interval, bool) or not isinstance(interval, int):
        yield f"trainer.val_check_interval={_text(interval)}"
    for name in trainer:
        if name not in (*_TRAINER, *_OWN_OF_TRAINER, *_SHARED_OF_TRAINER):
            yield f"trainer.{name} is set"


def _reasons_of_optimizer(optimizer: Mapping[str, Any]) -> Iterator[str]:
    cls = import_target(optimizer["_target_"])
    if cls is not Online and cls not in vars(torch.optim).values():
        yield "optimizer is a class of your own"
    elif cls in (LBFGS, SparseAdam):
        yield f"optimizer: {cls.__name__} takes steps of its own kind"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
