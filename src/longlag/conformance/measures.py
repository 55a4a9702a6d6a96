"""What a cell is in figures: its size, its state, the gradient that reaches the early inputs, its time per step."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from longlag.conformance.result import leaves, replaced
from longlag.conformance.specimen import Specimen
from longlag.engine.eager import unroll
from longlag.model import SequenceModel

LAGS = (60, 1000)


@dataclass(frozen=True)
class Measures:
    """A cell in figures.

    Args:
        parameters: how many it has, without a readout.
        state: numbers that are carried from one step to the next, per hidden unit; after 60 steps if it grows.
        early_gradients: at initialisation, for the lags ``LAGS``: see :func:`early_gradient`.
        step_us: microseconds per step, forward and backward, of the eager loop over 60 steps with 32 sequences, on one
            thread; the least of five.

    """

    parameters: int
    state: float
    early_gradients: tuple[float, ...]
    step_us: float


def measure(make: Callable[[], Any], input_size: int) -> Measures:
    """Measure a cell; its weights are those of seed 0.

    Args:
        make: makes it.
        input_size: I.

    """
    cell = Specimen(make, input_size).fresh()
    return Measures(
        parameters=sum(p.numel() for p in cell.parameters()),
        state=carried(cell, input_size) / cell.hidden_size,
        early_gradients=tuple(early_gradient(make, input_size, T) for T in LAGS),
        step_us=_step_us(cell, input_size),
    )


def early_gradient(make: Callable[[], Any], input_size: int, T: int) -> float:
    """Return the mean absolute gradient of the summed outputs with respect to the input at t=0, in float64.

    The outputs are two, read linearly from the last hidden state; the inputs are eight sequences of ``T`` steps of
    standard normal noise.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SequenceModel(make(), 2).double()
        x = torch.randn(8, T, input_size, dtype=torch.float64, requires_grad=True)
    model(x).sum().backward()
    return 0.0 if x.grad is None else x.grad[:, 0].abs().mean().item()


def carried(cell: Any, input_size: int) -> int:
    """Return how many real numbers of its state a sequence's next step reads, after 60 steps.

    A part of the state is read if a change of it changes what follows; a gradient would miss what is cut on purpose.
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


def _step_us(cell: Any, input_size: int) -> float:
    x = torch.randn(32, 60, input_size, generator=torch.Generator().manual_seed(0)).requires_grad_()
    best, threads = float("inf"), torch.get_num_threads()
    torch.set_num_threads(1)  # more of them only get in each other's way with so little to do
    try:
        for _ in range(5):
            start = time.perf_counter()
            outputs, _ = unroll(cell, x)
            outputs[:, -1].sum().backward()  # type: ignore[no-untyped-call]
            best = min(best, time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return 1e6 * best / 60
