"""The memory that a request needs, estimated before anything is drawn or built: what cannot fit is refused.

Every estimate is a lower bound of what is really taken, so a request that fits is never refused.
"""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from longlag.cells.state import leaves
from longlag.errors import RequestError
from longlag.task import Split, Task

_FLOAT = 4  # bytes
_STATE_OF = {"Adam": 2, "AdamW": 2, "NAdam": 2, "RAdam": 2, "Adamax": 2, "RMSprop": 1, "Adagrad": 1}
_LAYER_ITSELF = 2000  # bytes of the Python objects of a layer


@dataclass(frozen=True)
class Machine:
    """The memory of a machine, in bytes.

    Args:
        memory: of the processors.
        gpu: of one GPU; ``None`` if there is none.

    """

    memory: int
    gpu: int | None = None


@dataclass(frozen=True)
class Size:
    """The size of a model, in numbers.

    Args:
        parameters: of all layers; 0 where they are few beside the memory.
        state: of the states of all layers, for one sequence, likewise.

    """

    parameters: int = 0
    state: int = 0


#: A machine of a cluster, of which nothing is known but that no machine has more.
ANY_MACHINE = Machine(2**46, 2**46)


@functools.cache
def this_machine() -> Machine:
    """Return the memory of this machine, or of the container that this process is in."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for place in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            memory = min(memory, int(Path("/sys/fs/cgroup", place).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    gpu = torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else None
    return Machine(memory, gpu)


def check_fits(what: str, needed: int | float, memory: int | None = None, largest: str = "") -> None:
    """Check that something fits into the memory.

    Args:
        what: names it, for the message.
        needed: the bytes that it takes.
        memory: the bytes that there are; those of this machine by default.
        largest: names the part that takes most of it.

    Raises:
        RequestError: it does not fit.

    """
    memory = this_machine().memory if memory is None else memory
    if needed > memory:
        most = f", most of it for {largest}" if largest else ""
        there_are = f", and there are {_gigabytes(memory)}" if memory < ANY_MACHINE.memory else ""
        raise RequestError(f"{what} takes about {_gigabytes(needed)} of memory{most}{there_are}")


def check_lag(settings: Mapping[str, Any], machine: Machine | None = None) -> None:
    """Check, before a task is made, that a sequence of T steps is not beyond all bounds.

    Args:
        settings: of a run.
        machine: where the sequence is drawn; this machine by default.

    Raises:
        RequestError: a sequence needs more memory than there is.

    """
    T = settings["task"].get("T")
    if _is_count(T):
        check_fits("task.T: a sequence", T * _FLOAT, (machine or this_machine()).memory)


def check_draw(task: Task, split: Split, n: int, machine: Machine | None = None) -> None:
    """Check that a number of sequences of a split can be drawn at once.

    Args:
        task: draws them.
        split: of the task.
        n: the number of sequences.
        machine: where they are drawn; this machine by default.

    Raises:
        RequestError: they need more memory than there is.

    """
    what = f"task: a draw of {n} {split} sequence{'s' if n > 1 else ''} of {task.steps(split)} steps"
    check_fits(what, n * _of_a_sequence(task, split), (machine or this_machine()).memory)


def check_model(
    settings: Mapping[str, Any], input_size: int, make_cell: Callable[[int], Any], machine: Machine | None = None
) -> Size:
    """Check that the parameters of a model fit, and return its size.

    Where the model may be large, a cell of the first layer and one of the second are made without memory, on the device
    ``meta``, and counted.

    Args:
        settings: of a run.
        input_size: I, the number of input channels.
        make_cell: makes a cell for a number of inputs.
        machine: where the model is made; this machine by default.

    Raises:
        RequestError: they need more memory than there is.

    """
    machine = machine or this_machine()
    cell = settings["cell"]
    layers, H = settings.get("model", {}).get("layers", 1), cell.get("hidden_size")
    if not _is_count(layers) or not _is_count(H):
        return Size()
    check_fits(f"cell.hidden_size={H}", H * _FLOAT, machine.memory)
    check_fits(f"model.layers={layers}", layers * _LAYER_ITSELF, machine.memory)
    name = max((name for name, value in cell.items() if _is_count(value)), key=lambda name: cell[name])
    if layers * cell[name] * (cell[name] + input_size) * 64 * _FLOAT < machine.memory / 50:
        return Size()
    first, above = _measured(make_cell, input_size), _measured(make_cell, H) if layers > 1 else Size()
    if first is None or above is None:
        raise RequestError(f"cell.{name}={cell[name]} takes more memory than any machine has")
    size = Size(*(a + (layers - 1) * b for a, b in ((first.parameters, above.parameters), (first.state, above.state))))
    what = f"a model of {layers} layer{'s' if layers > 1 else ''} with cell.{name}={cell[name]} and {input_size} inputs"
    check_fits(what, size.parameters * _FLOAT, machine.memory)
    return size


def check_run(settings: Mapping[str, Any], task: Task, cell: Any, size: Size, machine: Machine) -> None:
    """Check that a run fits: its sequences, a training batch on its way back, its parameters and the optimizer.

    Args:
        settings: of the run.
        task: of the run.
        cell: the class of the cell.
        size: of the model; see :func:`check_model`.
        machine: where the run is trained.

    Raises:
        RequestError: it needs more memory than there is; the message names the largest part.

    """
    splits, trainer = task.splits, settings["trainer"]
    n = splits.train_size or (task.block_size if splits.batch_size == 1 else splits.batch_size)
    chunk = min(task.chunk_size, splits.val_size)
    probed = settings["probe"].get("size", 0) if settings["probe"] else 0
    precision = str(trainer.get("precision"))
    width = 8 if "64" in precision else 4 if "32" in precision else 2
    of_optimizer = _STATE_OF.get(str(settings["optimizer"].get("_target_")).rsplit(".", 1)[-1], 0)
    on_gpu = trainer.get("accelerator") in ("gpu", "cuda") and machine.gpu is not None
    devices = trainer.get("devices", 1)
    parts = trainer.get("num_nodes", 1) * (devices if on_gpu and _is_count(devices) else 1)

    train = {f"{n} training sequences of {task.steps('train')} steps": n * _of_a_sequence(task, "train")}
    weights = {f"{size.parameters} parameters with their optimizer": size.parameters * _FLOAT * (2 + of_optimizer)}
    forward_back = splits.batch_size // parts * max(_kept(settings, task, "train", width, cell), size.state * width)
    stages = {
        f"a training batch of {splits.batch_size} sequences on its way back": (0, forward_back),
        f"a validation of {chunk} sequences of {task.steps('val')} steps": (
            chunk * _of_a_sequence(task, "val"), chunk * _kept(settings, task, "val", width)),
    }  # fmt: skip
    if _is_count(probed):
        kept = probed * _kept(settings, task, "probe", _FLOAT, cell)
        stages[f"probe.size={probed}"] = (probed * _of_a_sequence(task, "probe"), kept)
    for stage, (drawn, kept) in stages.items():
        if on_gpu and machine.gpu is not None:
            _check_sum(train | {stage: drawn}, machine.memory)
            _check_sum(weights | {stage: kept}, machine.gpu)
        else:
            _check_sum(train | weights | {stage: drawn + kept}, machine.memory)


def _check_sum(parts: Mapping[str, int], memory: int) -> None:
    largest = max(parts, key=lambda part: parts[part])
    check_fits("this run", sum(parts.values()), memory, largest)


def _gigabytes(size: float) -> str:
    if size >= 10**15:
        return f"{min(size, 10**300) / 1e9:.0e} GB"
    return f"{size / 1e9:,.0f} GB" if size >= 10**10 else f"{size / 1e9:.2g} GB"


def _of_a_sequence(task: Task, split: Split) -> int:
    targets = _FLOAT if task.readout == "every" else 0
    return task.steps(split) * (_FLOAT * task.input_size + 1 + targets)


def _kept(settings: Mapping[str, Any], task: Task, split: Split, width: int, cell: Any = None) -> int:
    """Return the bytes that the layers keep of a sequence: for the way back the gates, else the hidden states."""
    H, layers = settings["cell"].get("hidden_size"), settings["model"].get("layers", 1)
    if not _is_count(H) or not _is_count(layers):
        return 0
    gates = getattr(cell, "packing", ()) if isinstance(cell, type) else ()
    return int(task.steps(split) * layers * H * max(1, len(gates)) * width)


def _measured(make_cell: Callable[[int], Any], input_size: int) -> Size | None:
    """Return the size of a cell; ``None`` where no tensor can be so large, and nothing where nobody knows the size."""
    try:
        with torch.device("meta"), torch.random.fork_rng(devices=[]):
            cell = make_cell(input_size)
            state = sum(leaf.numel() for leaf in leaves(cell.initial_state(1)))
        return Size(sum(parameter.numel() for parameter in cell.parameters()), state)
    except Exception as error:  # such as of a cell that cannot be made without memory
        return None if "overflow" in str(error).lower() else Size()


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
