"""What a ``_target_`` may name: a class of the kind that its place wants, and in a run folder no stranger's.

Settings decide which classes are imported and called. What a person types is that person's own word. The settings in a
run folder may be a stranger's: there, a class of another package than longlag, torch, torchmetrics and lightning needs
the reader's word (``trust=true``), and the package is not even imported before.
"""

import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from hydra.utils import get_object

from longlag.errors import RequestError

#: The packages whose classes a run folder may name.
OWN_PACKAGES = ("longlag", "torch", "torchmetrics", "lightning")
#: The arguments of callbacks and of parts of a Trainer that say where files are written.
_WHERE = ("dirpath", "filename", "save_dir", "root_dir")
#: The parts that are called with the object that they work on: an object with ``__call__``, or a function, does.
_CALLED = {"init": ("longlag.cells", "function that starts a cell"), "logger": ("longlag.training", "maker of loggers")}


def import_target(target: str) -> Any:
    """Return what has this dotted name.

    Raises:
        RequestError: Python cannot import it, or nothing of this kind can be called.

    """
    try:
        imported = get_object(target)
    except Exception as error:
        cause = error.__cause__ or error
        reason = f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}"
        raise RequestError(f"cannot import {target}: {reason}") from error
    if not callable(imported):
        raise RequestError(f"{target} is not a class")
    return imported


def imported_part(part: str, settings: Mapping[str, Any]) -> Any:
    """Import the class of a part, and those of all objects that its arguments are made of; nothing is called.

    Args:
        part: the key of the part, such as ``cell`` or ``callbacks.timer``.
        settings: of the part.

    Raises:
        RequestError: Python cannot import a class, or it is not of the kind that its place wants.

    """
    outer = settings.get("_target_")
    if not isinstance(outer, str):
        raise RequestError(f"{part} needs a _target_, the name of a class, got {outer!r}")
    imported = import_target(outer)
    _check_kind(part, outer, imported)
    _check_call(part, settings, imported)
    for place, inner in _inner(settings, part):
        target = inner["_target_"]
        if not isinstance(target, str):
            raise RequestError(f"{place}: _target_ must be the name of a class, got {target!r}")
        found = import_target(target)
        if place == "task.splits":
            _check_kind(place, target, found)
        _check_call(place, inner, found)
    return imported


def check_trusted(settings: Mapping[str, Any], where: object, how: str) -> None:
    """Check that the settings in a run folder name nothing that needs the reader's word: no class, and no other place.

    Args:
        settings: of the run, with the values of environment variables.
        where: the folder.
        how: what gives the reader's word.

    Raises:
        RequestError: they do; the message names the class, and ``how``.

    """
    for place, inner in _inner(settings, ""):
        target = inner["_target_"]
        package = str(target).partition(".")[0]
        nested = (
            place.count(".") > (1 if place.startswith(("callbacks.", "metrics.")) else 0) and place != "task.splits"
        )
        if package in OWN_PACKAGES and not (nested and not _is_harmless(str(target))):
            continue
        foreign = "which is not of longlag, torch, torchmetrics or lightning and can run any code"
        odd = "and an argument may only be a layer, a metric or a part of a Trainer"
        reason = odd if package in OWN_PACKAGES else foreign
        raise RequestError(f"{where} names {target} ({place}), {reason}; {how} if you trust it")
    for place, inside in _mappings({key: settings.get(key) for key in ("callbacks", "trainer")}, ""):
        for key in _WHERE:
            if inside.get(key) is not None:
                raise RequestError(
                    f"{where} says where to write files: {place}.{key} is {inside[key]!r}; {how} if you trust it"
                )


def _check_kind(part: str, target: str, imported: Any) -> None:
    """Check that what a part names is of the right kind.

    Raises:
        RequestError: it is not.

    """
    group = part.partition(".")[0] if part != "task.splits" else part
    if group in _CALLED:
        package, wanted = _CALLED[group]
        called = inspect.isfunction(imported) or (inspect.isclass(imported) and _has(imported, "__call__"))
        own = target.partition(".")[0] in OWN_PACKAGES
        fits = called and (not own or f"{imported.__module__}.".startswith(f"{package}."))
    elif group == "engine":
        wanted = "longlag.engine.Engine"
        fits = inspect.isclass(imported) and _has(imported, "fits") and _has(imported, "unroll")
    else:
        own = target.partition(".")[0] in OWN_PACKAGES
        wanted, base = _kinds()["cell of ours" if own and group == "cell" else group]
        fits = inspect.isclass(imported) and issubclass(imported, base)
    if not fits:
        raise RequestError(f"{part}: {target} is not a {wanted}")


def _check_call(place: str, settings: Mapping[str, Any], imported: Any) -> None:
    """Check that making an object calls a class; a function is handed on and not called.

    Raises:
        RequestError: it would call a function.

    """
    if not inspect.isclass(imported) and settings.get("_partial_") is not True:
        raise RequestError(f"{place}: {settings['_target_']} is not a class; a function needs _partial_: true")


@cache
def _kinds() -> dict[str, tuple[str, type]]:
    """Return the parts that are made from a class: part -> the name of the class for a person, and the class."""
    import torch  # here: a help text does without it
    import torchmetrics
    from lightning import Callback, Trainer

    from longlag.cells import Cell
    from longlag.task import Splits, Task
    from longlag.training.callbacks.probe import Probe

    return {
        "cell of ours": ("longlag.cells.Cell", Cell),
        "cell": ("torch.nn.Module, as longlag.cells.Cell is", torch.nn.Module),
        "task": ("longlag.task.Task", Task),
        "task.splits": ("longlag.task.Splits", Splits),
        "optimizer": ("torch.optim.Optimizer", torch.optim.Optimizer),
        "trainer": ("lightning.Trainer", Trainer),
        "probe": ("longlag.training.Probe", Probe),
        "callbacks": ("lightning.Callback", Callback),
        "metrics": ("torchmetrics.Metric", torchmetrics.Metric),
    }


def _is_harmless(target: str) -> bool:
    """Return whether an argument in a stranger's settings may be of a class: a layer, a metric, a part of a Trainer."""
    import torch
    import torchmetrics
    from lightning.pytorch import accelerators, plugins, profilers, strategies

    found = import_target(target)
    if not inspect.isclass(found):
        return False
    of_trainers = (accelerators.Accelerator, profilers.Profiler, strategies.Strategy, plugins.Precision)
    layer = issubclass(found, torch.nn.Module) and found.__module__.startswith(("torch.nn.modules.", "longlag."))
    return layer or issubclass(found, (torchmetrics.Metric, *of_trainers))


def _inner(value: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the mappings with a ``_target_`` inside of a value, at any depth, each with its place."""
    return ((inside, each) for inside, each in _mappings(value, place) if "_target_" in each)


def _mappings(value: Any, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the mappings inside of a value, at any depth, each with its place."""
    if isinstance(value, Mapping):
        parts: Iterator[tuple[Any, Any]] = iter(value.items())
    elif isinstance(value, list):
        parts = iter(enumerate(value))
    else:
        return
    for key, each in parts:
        inside = f"{place}.{key}".lstrip(".")
        if isinstance(each, Mapping):
            yield inside, each
        yield from _mappings(each, inside)


def _has(cls: type, name: str) -> bool:
    """Return whether a class defines a method, itself or by a class that it derives from."""
    return any(name in vars(base) for base in cls.__mro__)
