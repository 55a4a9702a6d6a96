"""The Jacobians of the steps of a cell, the singular values of their products, and the Lyapunov exponents."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from longlag.cells.state import leaves, like, named_leaves
from longlag.flow.double_precision import float64_copy
from longlag.flow.tape import Tape
from longlag.model import SequenceModel
from longlag.spectrum.log_products import Array, log_singular_values, lyapunov_exponents

_MOST_BYTES = 2**31  # of all Jacobians of a layer; the products take about as much again


class NoJacobianError(ValueError):
    """A layer has no Jacobians of its steps; the message is the reason."""


@dataclass(frozen=True)
class StepJacobians:
    """The Jacobians ∂s_{t+1}/∂s_t of a cell along B sequences, t = 1, 2, …: s_1 is the state after the first input.

    The state s is all numbers that the next step reads, a complex number as two. It leaves out a part of the state from
    which no gradient flows, because the step does not read it or a truncation cuts it off.

    Args:
        values: [B, S, n, n], float64; the identity from the end of a sequence on.
        steps: the number of Jacobians of each sequence, [B]: its valid steps minus one.
        state: the size of each part of the state in s, by its name: ``h``, ``c``, or ``c[0]``, ``c[1]``, …
        left_out: the names of the other parts.
        truncated: whether the cell cuts its gradient on purpose; then these are Jacobians of the published gradient,
            not derivatives.

    """

    values: Array
    steps: NDArray[np.int64]
    state: dict[str, int]
    left_out: tuple[str, ...]
    truncated: bool


@dataclass(frozen=True)
class Spectrum:
    """How much a cell stretches its state, over k steps and in the limit.

    Args:
        ks: the numbers of steps: 1, 2, 4, … and the longest.
        steps: the largest k of each sequence, [B].
        log10_singular_values: of ∂s_{1+k}/∂s_1, [B, K, n], the largest first: −inf for a value of 0, nan for a
            shorter sequence.
        exponents: the Lyapunov exponents per step, natural logarithms [B, n], the largest first.

    """

    ks: tuple[int, ...]
    steps: NDArray[np.int64]
    log10_singular_values: Array
    exponents: Array

    def at(self, k: int) -> Array:
        """Return log10 of the singular values over k steps, [sequences, n], of the sequences that are long enough."""
        logs: Array = self.log10_singular_values[self.steps >= k, self.ks.index(k)]
        return logs


def taped(model: SequenceModel, inputs: Tensor, lengths: Tensor) -> list[Tape]:
    """Run a model over sequences, and return the inputs and states of each of its layers.

    The run is one of the eager loop in float64, on a copy of the model, whatever the engine and precision of training.

    Args:
        model: the model.
        inputs: [B, L, I].
        lengths: their valid steps [B].

    """
    with torch.no_grad():
        double = float64_copy(model)
        tapes = [Tape() for _ in double.cells]
        double.engines = list(tapes)
        double(inputs.double(), lengths)
    return tapes


def step_jacobians(tape: Tape, lengths: Tensor) -> StepJacobians:
    """Return the Jacobian of each step of a recorded layer.

    One pass through the cell gives all rows of a Jacobian: the batch holds each sequence n times, and copy k gives the
    gradient of number k of the next state.

    Args:
        tape: the recorded run of a layer.
        lengths: the valid steps of the sequences [B].

    Raises:
        NoJacobianError: the state grows, no sequence has a second step, no step reads the previous state, or the
            Jacobians are not finite or too large.

    """
    B, S = len(lengths), int(lengths.max()) - 1
    name = type(tape.cell).__name__
    if S < 1:
        raise NoJacobianError("the sequences have one step each, and a Jacobian takes two")
    parts = _Parts(tape.states[1])
    grown = parts.distinct(tape.states[2])
    if any(a.shape != b.shape for a, b in zip(parts.distinct(tape.states[1]), grown, strict=True)):
        raise NoJacobianError(f"the state of {name} grows from step to step, so there is no Jacobian over k steps")
    read = parts.read(tape)
    sizes = [_real(parts.distinct(tape.states[1])[k]).shape[1] for k in read]
    n = sum(sizes)
    if n == 0:
        raise NoJacobianError(f"no step of {name} reads the state before it (no gradient flows there)")
    if B * S * n * n * 8 > _MOST_BYTES:
        size = B * S * n * n * 8 / 2**30
        raise NoJacobianError(
            f"{S:,} Jacobians of {n:,} × {n:,} numbers for each of {B} sequences are {size:.1f} GiB, and the limit"
            f" is {_MOST_BYTES / 2**30:g} GiB; take fewer sequences or steps"
        )
    values = np.empty((B, S, n, n))
    for t in range(S):
        values[:, t] = _one_step(tape, parts, read, n, t + 1)
        values[:, t][(lengths <= t + 1).numpy()] = np.eye(n)
    if not np.isfinite(values).all():
        first = int((~np.isfinite(values)).any(axis=(0, 2, 3)).argmax()) + 1
        raise NoJacobianError(f"the Jacobian of {name} is not finite from step {first} on")
    return StepJacobians(
        values,
        lengths.numpy() - 1,
        {parts.names[k]: size for k, size in zip(read, sizes, strict=True)},
        tuple(part for k, part in enumerate(parts.names) if k not in read),
        bool(getattr(tape.cell, "truncated", False)),
    )


def spectrum(jacobians: StepJacobians) -> Spectrum:
    """Return the singular values over k steps from the start, and the Lyapunov exponents; see ``log_products``.

    If all singular values of ∂s_{1+k}/∂s_1 fall, the gradient vanishes, and the largest one bounds it; a gradient can
    only explode if one of them rises (Pascanu, Mikolov & Bengio 2013, section 2.1). A sequence of one step has no
    Jacobian and does not count.
    """
    values, steps = jacobians.values[jacobians.steps > 0], jacobians.steps[jacobians.steps > 0]
    longest = int(steps.max())
    ks = sorted({2**power for power in range(longest.bit_length())} | {longest})
    logs = log_singular_values(values, ks) / math.log(10)
    logs[steps[:, None] < np.array(ks)] = np.nan
    return Spectrum(tuple(ks), steps, logs, lyapunov_exponents(values, steps))


class _Parts:
    """The parts of a state: its tensors, each of them once even if the state holds it twice."""

    def __init__(self, state: Any) -> None:
        ids = list(dict.fromkeys(map(id, leaves(state))))
        self.which = [ids.index(id(leaf)) for leaf in leaves(state)]
        """The number of the part of each tensor of a state."""
        self.first = [self.which.index(k) for k in range(len(ids))]
        names = [name for name, _ in named_leaves(state)]
        self.names = [names[place] for place in self.first]

    def distinct(self, state: Any) -> list[Tensor]:
        """Return the parts of a state."""
        every = leaves(state)
        return [every[place] for place in self.first]

    def joined(self, state: Any, parts: Sequence[Tensor]) -> Any:
        """Return a state of the same structure with other parts."""
        return like(state, [parts[k] for k in self.which])

    def read(self, tape: Tape) -> list[int]:
        """Return the parts from which a gradient flows into the step after the first."""
        before = [part.detach().clone() for part in self.distinct(tape.states[1])]
        continuous = [part.requires_grad_() for part in before if _is_continuous(part)]
        with torch.enable_grad():
            after = self.distinct(tape.cell(tape.inputs[:, 1], self.joined(tape.states[1], before)))
            total = [_real(part).sum() for part in after if part.requires_grad]
            grads: Sequence[Tensor | None] = [None] * len(continuous)
            if total:
                grads = torch.autograd.grad(torch.stack(total).sum(), continuous, allow_unused=True)
        flows = {id(part) for part, gradient in zip(continuous, grads, strict=True) if gradient is not None}
        return [k for k, part in enumerate(before) if id(part) in flows]


def _one_step(tape: Tape, parts: _Parts, read: Sequence[int], n: int, t: int) -> Array:
    """Return ∂s_{t+1}/∂s_t, [B, n, n]."""
    state = tape.states[t]
    before = [part.detach().repeat(n, *[1] * (part.dim() - 1)) for part in parts.distinct(state)]  # [n·B, …]
    variables = [before[k].requires_grad_() for k in read]
    with torch.enable_grad():
        after = parts.distinct(tape.cell(tape.inputs[:, t].repeat(n, 1), parts.joined(state, before)))
        numbers = torch.cat([_real(after[k]) for k in read], dim=1)  # [n·B, n]
        diagonal = numbers.view(n, -1, n).diagonal(dim1=0, dim2=2).sum()  # number k of copy k
        if not diagonal.requires_grad:
            return np.zeros((numbers.shape[0] // n, n, n))
        grads = torch.autograd.grad(diagonal, variables, allow_unused=True, materialize_grads=True)
    rows = torch.cat([_real(part) for part in grads], dim=1)  # [n·B, n]
    jacobian: Array = rows.view(n, -1, n).transpose(0, 1).numpy()
    return jacobian


def _is_continuous(part: Tensor) -> bool:
    return part.is_floating_point() or part.is_complex()


def _real(part: Tensor) -> Tensor:
    """Return the numbers of a part of a state, a complex number as two, [B, numbers]."""
    return (torch.view_as_real(part) if part.is_complex() else part).flatten(1)
