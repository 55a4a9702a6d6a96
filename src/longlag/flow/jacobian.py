"""How a cell stretches its state: the Jacobians of its steps, their singular values, and the Lyapunov exponents."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from longlag.flow.float64 import float64_copy
from longlag.flow.products import Array, log_singular_values, lyapunov_exponents
from longlag.flow.tape import EagerTape
from longlag.model import SequenceModel

_MOST_BYTES = 2**31  # of all Jacobians of a layer; the products take about as much again


class NoJacobianError(ValueError):
    """A layer has no Jacobians of the kind that is wanted; the message says why."""


@dataclass(frozen=True)
class StepJacobians:
    """The Jacobians ∂s_{t+1}/∂s_t of a cell along B sequences, t = 1, 2, …: s_1 is the state after the first input.

    The state s is all numbers that the next step reads, a complex one as two. A part of the state that no gradient
    leaves, since the step does not read it or a truncation cuts it off, is not among them.

    Args:
        values: [B, S, n, n], float64; the identity from the end of a sequence on.
        steps: how many of the S are those of a sequence, [B]: its valid steps less one.
        state: how many numbers of s each part of the state has, by its name: ``h``, ``c``, or ``c[0]``, ``c[1]``, …
        left_out: the names of the other parts.
        truncated: whether the cell cuts its gradient on purpose, so that these are Jacobians of the published gradient
            and not the derivatives.

    """

    values: Array
    steps: NDArray[np.int64]
    state: dict[str, int]
    left_out: tuple[str, ...]
    truncated: bool


@dataclass(frozen=True)
class Spectrum:
    """By how much a state is stretched, over k steps and in the long run.

    Args:
        ks: the numbers of steps: 1, 2, 4, … and the longest that there is.
        steps: the largest k of each sequence, [B].
        log10_singular_values: of ∂s_{1+k}/∂s_1, [B, K, n], the largest first: −inf for one that is 0, nan where a
            sequence is shorter.
        exponents: the Lyapunov exponents per step, natural logarithms [B, n], the largest first.

    """

    ks: tuple[int, ...]
    steps: NDArray[np.int64]
    log10_singular_values: Array
    exponents: Array

    def at(self, k: int) -> Array:
        """Return log10 of the singular values over k steps, [sequences, n], of the sequences that are long enough."""
        found: Array = self.log10_singular_values[self.steps >= k, self.ks.index(k)]
        return found


def taped(model: SequenceModel, inputs: Tensor, lengths: Tensor) -> list[EagerTape]:
    """Run a model over sequences and return what each of its layers read and the states that it went through.

    In float64, on a copy of the model, in the eager loop, whatever the engine and the precision of training.

    Args:
        model: the model.
        inputs: [B, L, I].
        lengths: their valid steps [B].

    """
    with torch.no_grad():
        double = float64_copy(model)
        tapes = [EagerTape() for _ in double.cells]
        double.unrolls = list(tapes)
        double(inputs.double(), lengths)
    return tapes


def step_jacobians(tape: EagerTape, lengths: Tensor) -> StepJacobians:
    """Return the Jacobians of the steps of a layer, each by itself, with the inputs that it had.

    All rows of a Jacobian come from one pass through the cell: it is given each sequence n times over, and the gradient
    is asked for of another number of the next state in each copy.

    Args:
        tape: of a layer that has been run.
        lengths: the valid steps of the sequences [B].

    Raises:
        NoJacobianError: the state grows, no sequence has a second step, no step reads the state of the one before, or
            the numbers are not finite or too many.

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
            f"{S:,} Jacobians of {n:,} × {n:,} numbers for each of {B} sequences are {size:.1f} GiB, and at most"
            f" {_MOST_BYTES / 2**30:g} are taken; fewer sequences or steps are less"
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
        tuple(own for k, own in enumerate(parts.names) if k not in read),
        bool(getattr(tape.cell, "truncated", False)),
    )


def spectrum(jacobians: StepJacobians) -> Spectrum:
    """Return the singular values over k steps from the start, and the Lyapunov exponents; see ``products``.

    That all singular values of ∂s_{1+k}/∂s_1 fall is that the gradient vanishes, and the largest bounds what is left of
    it; that one rises is what it takes to explode (Pascanu, Mikolov & Bengio 2013, section 2.1). Sequences of one step
    have no Jacobian and are left out.
    """
    values, steps = jacobians.values[jacobians.steps > 0], jacobians.steps[jacobians.steps > 0]
    longest = int(steps.max())
    ks = sorted({2**power for power in range(longest.bit_length())} | {longest})
    logs = log_singular_values(values, ks) / math.log(10)
    logs[steps[:, None] < np.array(ks)] = np.nan
    return Spectrum(tuple(ks), steps, logs, lyapunov_exponents(values, steps))


class _Parts:
    """What a state is made of: its tensors, one that is there twice counted once."""

    def __init__(self, state: Any) -> None:
        leaves = [leaf for _, leaf in _leaves(state)]
        ids = list(dict.fromkeys(map(id, leaves)))
        self.which = [ids.index(id(leaf)) for leaf in leaves]
        """For each tensor of a state the number of its part."""
        self.first = [self.which.index(k) for k in range(len(ids))]
        named = [name for name, _ in _leaves(state)]
        self.names = [named[place] for place in self.first]

    def distinct(self, state: Any) -> list[Tensor]:
        """Return the parts of a state."""
        leaves = [leaf for _, leaf in _leaves(state)]
        return [leaves[place] for place in self.first]

    def joined(self, state: Any, parts: Sequence[Tensor]) -> Any:
        """Return a state like this one, of other parts."""
        return _like(state, iter([parts[k] for k in self.which]))

    def read(self, tape: EagerTape) -> list[int]:
        """Return the parts from which a gradient flows into the step after the first."""
        given = [part.detach().clone() for part in self.distinct(tape.states[1])]
        asked = [part.requires_grad_() for part in given if _is_continuous(part)]
        with torch.enable_grad():
            after = self.distinct(tape.cell(tape.inputs[:, 1], self.joined(tape.states[1], given)))
            total = [_real(part).sum() for part in after if part.requires_grad]
            found = torch.autograd.grad(sum(total), asked, allow_unused=True) if total else [None] * len(asked)  # type: ignore[arg-type]
        flows = {id(part) for part, gradient in zip(asked, found, strict=True) if gradient is not None}
        return [k for k, part in enumerate(given) if id(part) in flows]


def _one_step(tape: EagerTape, parts: _Parts, read: Sequence[int], n: int, t: int) -> Array:
    """Return ∂s_{t+1}/∂s_t, [B, n, n]."""
    state = tape.states[t]
    given = [part.detach().repeat(n, *[1] * (part.dim() - 1)) for part in parts.distinct(state)]  # [n·B, …]
    asked = [given[k].requires_grad_() for k in read]
    with torch.enable_grad():
        after = parts.distinct(tape.cell(tape.inputs[:, t].repeat(n, 1), parts.joined(state, given)))
        numbers = torch.cat([_real(after[k]) for k in read], dim=1)  # [n·B, n]
        own = numbers.view(n, -1, n).diagonal(dim1=0, dim2=2).sum()  # of copy k number k
        if not own.requires_grad:
            return np.zeros((numbers.shape[0] // n, n, n))
        found = torch.autograd.grad(own, asked, allow_unused=True, materialize_grads=True)
    rows = torch.cat([_real(part) for part in found], dim=1)  # [n·B, n]
    jacobian: Array = rows.view(n, -1, n).transpose(0, 1).numpy()
    return jacobian


def _leaves(state: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors in a state, however it is nested, with their names: h, c, or c[0] and so on."""
    if isinstance(state, Tensor):
        yield name, state
        return
    for k, part in enumerate(state):
        yield from _leaves(part, f"{name}[{k}]" if name else "hc"[k])


def _like(state: Any, parts: Iterator[Tensor]) -> Any:
    return next(parts) if isinstance(state, Tensor) else tuple(_like(part, parts) for part in state)


def _is_continuous(part: Tensor) -> bool:
    return part.is_floating_point() or part.is_complex()


def _real(part: Tensor) -> Tensor:
    """Return the numbers of a part of a state, real and imaginary ones each for itself, [B, numbers]."""
    return (torch.view_as_real(part) if part.is_complex() else part).flatten(1)
