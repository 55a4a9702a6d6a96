"""The figures of a cell: its parameters, its state, its early gradient, its time per step."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from longlag.cells.state import leaves, replaced
from longlag.conformance.cell_under_test import CellUnderTest
from longlag.engine.eager import unroll
from longlag.flow.early_gradient import PROBE_SIZE, early_gradient
from longlag.model import SequenceModel
from longlag.task import Task

LAGS = (60, 1000)


@dataclass(frozen=True)
class Measures:
    """The figures of a cell.

    Args:
        parameters: the number of its parameters, without a readout.
        state: the numbers that it carries to the next step, per hidden unit; after 60 steps if the state grows.
        early_gradients: before training, for the lags ``LAGS``.
        step_us: microseconds per step, forward and backward, of the eager loop over 60 steps with 32 sequences, on one
            thread; the shortest of five runs.

    """

    parameters: int
    state: float
    early_gradients: tuple[float, ...]
    step_us: float


def measure(make: Callable[[], Any], tasks: Sequence[Task]) -> Measures:
    """Measure a cell with the weights of seed 0.

    Args:
        make: makes the cell.
        tasks: one task with each lag of ``LAGS``, for the early gradients.

    """
    input_size = tasks[0].input_size
    cell = CellUnderTest(make, input_size).fresh()
    return Measures(
        parameters=sum(p.numel() for p in cell.parameters()),
        state=carried(cell, input_size) / cell.hidden_size,
        early_gradients=tuple(_early_gradient(make, task) for task in tasks),
        step_us=_step_us(cell, input_size),
    )


def carried(cell: Any, input_size: int) -> int:
    """Return the number of real numbers of the state of a sequence that the next step reads, after 60 steps.

    A step reads a part of the state if a change of the part changes its result. A gradient would miss the parts that a
    cell cuts on purpose.
    """
    x = torch.randn(1, 61, input_size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        _, state = unroll(cell, x[:, :60])
        after = leaves(cell(x[:, 60], state))
        read = 0
        for part in {id(leaf): leaf for leaf in leaves(state)}.values():
            other = leaves(cell(x[:, 60], replaced(state, {id(part): part + 1})))
            if not all(map(torch.equal, after, other)):
                read += part.numel() * (2 if part.is_complex() else 1)
    return read


def _early_gradient(make: Callable[[], Any], task: Task) -> float:
    """Return the early gradient of a run with seed 0, before training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SequenceModel(make(), task.output_size, readout=task.readout)
    batch = task.draw("probe", 0, PROBE_SIZE)
    return early_gradient(model, batch.inputs, batch.lengths, batch.mask)


def _step_us(cell: Any, input_size: int) -> float:
    x = torch.randn(32, 60, input_size, generator=torch.Generator().manual_seed(0)).requires_grad_()
    best, threads = float("inf"), torch.get_num_threads()
    torch.set_num_threads(1)  # with so little work, more threads only slow each other
    try:
        for _ in range(5):
            start = time.perf_counter()
            outputs, _ = unroll(cell, x)
            outputs[:, -1].sum().backward()  # type: ignore[no-untyped-call]
            best = min(best, time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return 1e6 * best / 60
