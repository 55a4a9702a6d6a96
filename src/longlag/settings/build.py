"""Settings -> the objects of a run. A wrong setting raises a :class:`RequestError` that names the setting."""

from collections.abc import Mapping
from typing import Any

from longlag.engine import Engine, engine_for
from longlag.errors import RequestError
from longlag.model import SequenceModel
from longlag.settings.component import Component, named_errors
from longlag.settings.environment import values_of
from longlag.settings.memory import Machine, Size, check_lag, check_model
from longlag.task import Task

#: The arguments of SequenceModel that are no settings of ``model``, and where each value comes from.
_NOT_OF_THE_MODEL = {
    "cell": "cell=… and cell.…=… say it",
    "output_size": "the task says it",
    "readout": "the task says it",
    "engine": "engine=… says it",
}
#: The parts of a run that have a ``_target_``.
_PARTS = ("task", "cell", "init", "optimizer", "trainer", "logger", "probe")

#: The parts of a run, each imported once: part -> its description.
Components = Mapping[str, Component]


def components_of(settings: Mapping[str, Any]) -> Components:
    """Import the class of every part of a run, and describe each class once.

    Raises:
        RequestError: Python cannot import a class, or it is not of the kind that its part wants.

    """
    parts = {part: settings[part] for part in _PARTS if settings.get(part)}
    if isinstance(settings.get("engine"), Mapping):
        parts["engine"] = settings["engine"]
    for group in ("callbacks", "metrics"):
        parts |= {f"{group}.{name}": part for name, part in settings.get(group, {}).items()}
    return {part: Component.of(part, values) for part, values in parts.items()}


def build_task(
    settings: Mapping[str, Any], components: Components | None = None, machine: Machine | None = None
) -> Task:
    """Make the task.

    Args:
        settings: the settings of a run.
        components: the parts of the run, if the caller has them, and the values of environment variables too.
        machine: where the run is trained; this machine by default.

    Raises:
        RequestError: a setting is wrong, or the class is not a task.

    """
    settings = values_of(settings) if components is None else settings
    check_lag(settings, machine)
    component = components["task"] if components else Component.of("task", settings["task"])
    task: Task = component.make(settings["task"])
    return task


def build_model(
    settings: Mapping[str, Any], task: Task, components: Components | None = None, machine: Machine | None = None
) -> SequenceModel:
    """Make the sequence model; the weights come from torch's global generator, as with plain PyTorch.

    Args:
        settings: the settings of a run.
        task: gives the sizes of the inputs and the outputs.
        components: the parts of the run, if the caller has them, and the values of environment variables too.
        machine: where the model is made; this machine by default.

    Raises:
        RequestError: a setting of the cell, of ``init``, of ``model``, or the engine is wrong, or the model cannot fit.

    """
    settings = values_of(settings) if components is None else settings
    options = dict(settings["model"])
    layers = options.pop("layers", 1)
    if isinstance(layers, bool) or not isinstance(layers, int) or layers < 1:
        raise RequestError(f"model.layers must be a positive integer, got {layers!r}")
    for name in set(_NOT_OF_THE_MODEL) & set(options):
        raise RequestError(f"model.{name} is not a setting: {_NOT_OF_THE_MODEL[name]}")
    Component.described("model", SequenceModel, "longlag.model.SequenceModel").check_arguments(options)
    options |= {"output_size": task.output_size, "readout": task.readout, "engine": _engine(settings, components)}
    size_of(settings, task, components, machine)
    component, start = _cell_and_start(settings, components)
    cells: list[Any] = []
    while len(cells) < layers:
        input_size = cells[-1].hidden_size if cells else task.input_size
        cells.append(_started(_made_cell(component, settings["cell"], input_size), start))
    with named_errors("engine"):
        engine_for(options["engine"], cells[0])
    with named_errors("model"):
        return SequenceModel(cells, **options)


def size_of(
    settings: Mapping[str, Any], task: Task, components: Components | None = None, machine: Machine | None = None
) -> Size:
    """Return the size of the layers before they are made; nothing where they are small beside the memory.

    Raises:
        RequestError: they need more memory than there is, or the cell cannot be imported.

    """
    cell = components["cell"] if components else Component.of("cell", settings["cell"])
    return check_model(settings, task.input_size, lambda size: _made_cell(cell, settings["cell"], size), machine)


def started_cell(settings: Mapping[str, Any], input_size: int) -> Any:
    """Make a cell from the settings of a run, and start its gates as ``init`` says.

    Raises:
        RequestError: a setting is wrong, or the class is not a cell.

    """
    settings = values_of(settings)
    component, start = _cell_and_start(settings, None)
    return _started(_made_cell(component, settings["cell"], input_size), start)


def build_cell(settings: Mapping[str, Any], input_size: int) -> Any:
    """Make a cell from the settings of the cell; its gates start as its constructor says.

    Raises:
        RequestError: a setting is wrong, or the class is not a cell.

    """
    settings = values_of(settings)
    component = Component.of("cell", settings)
    check_model({"cell": settings}, input_size, lambda size: _made_cell(component, settings, size))
    return _made_cell(component, settings, input_size)


def _engine(settings: Mapping[str, Any], components: Components | None) -> str | Engine:
    """Return the name of an engine, or make a reader's own engine from its ``_target_``."""
    engine: str | Engine = settings["engine"]
    if isinstance(settings["engine"], Mapping):
        component = components["engine"] if components else Component.of("engine", settings["engine"])
        engine = component.make(settings["engine"])
    return engine


def _cell_and_start(settings: Mapping[str, Any], components: Components | None) -> tuple[Component, Any]:
    """Return the class of the cells, and the function of ``init`` that starts their gates, if there is one."""
    cell = components["cell"] if components else Component.of("cell", settings["cell"])
    if not settings["init"]:
        return cell, None
    init = components["init"] if components else Component.of("init", settings["init"])
    return cell, init.make(settings["init"])


def _started(cell: Any, start: Any) -> Any:
    if start is not None:
        with named_errors("init"):
            start(cell)
    return cell


def _made_cell(component: Component, settings: Mapping[str, Any], input_size: int) -> Any:
    cell = component.make({**settings, "input_size": input_size})
    for attribute in ("hidden_size", "initial_state"):
        if not hasattr(cell, attribute):
            raise RequestError(f"cell: {component.target} has no {attribute}; a subclass of longlag.cells.Cell has it")
    return cell
