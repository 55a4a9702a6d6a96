"""A call of the kernel of on-line learning: its arguments."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from longlag.engine.native.build import library, team
from longlag.engine.native.online_weights import Shape

LOSSES = ("linear", "logistic", "softmax")


class _Run(ctypes.Structure):
    """A run; ``online_problem.h`` explains each field."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("x", "symbols", "lengths", "counted", "targets", "classes")),
        *((name, ctypes.c_void_p) for name in ("weights", "inertia", "nets", "losses")),
        *((name, ctypes.c_int64) for name in ("count", "steps")),
        *((name, ctypes.c_double) for name in ("rate", "momentum", "decay")),
        *((name, ctypes.c_int64) for name in ("decays_by_update", "sequences", "updates", "learned")),
    ]


class _Online(ctypes.Structure):
    """The arguments of the kernel; ``online_problem.h`` explains each."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("runs", "inputs", "hidden", "outputs", "threads", "symbols")),
        *((name, ctypes.c_int64) for name in ("loss", "every", "cut", "traces", "each_step", "shortcut")),
        *((name, ctypes.c_int64) for name in ("weights", "groups", "read", "frozen")),
        *((name, ctypes.c_void_p) for name in ("spans", "rows_of", "read_of", "fixed", "run", "parallel")),
    ]


class Sequences(Protocol):
    """N sequences of a run, as in a batch of a task."""

    @property
    def inputs(self) -> Tensor:
        """[N, L, I], padded at the end; or symbols [N, L] of a type of whole numbers, for inputs that are one-hot."""

    @property
    def targets(self) -> Tensor:
        """Values [N, O] or [N, L, O], or classes [N] or [N, L]."""

    @property
    def lengths(self) -> Tensor:
        """The number of valid steps of each, [N], from 1 to L."""

    @property
    def mask(self) -> Tensor:
        """The steps at which a target counts, [N, L], for a readout at every step."""


class Sizes(NamedTuple):
    """The sizes of a network, and how its error arises and flows.

    Args:
        update: the pointwise part of the cell.
        inputs: I.
        hidden: H.
        outputs: O.
        every: whether there is a readout at every step.
        loss: one of :data:`LOSSES`.
        cut: whether no error goes back through h and the gates that are read.
        traces: whether derivatives are carried forward instead of errors back.
        each_step: whether weights change after each step with a target.
        shortcut: whether the outputs read the inputs of their step too.

    """

    update: str
    inputs: int
    hidden: int
    outputs: int
    every: bool
    loss: str
    cut: bool
    traces: bool
    each_step: bool
    shortcut: bool


@dataclass
class Progress:
    """The state of a run: its weights and sums of past gradients [W], and how often it has learned."""

    weights: Tensor
    inertia: Tensor
    rate: float
    momentum: float
    decay: float
    decays_by_update: bool
    sequences: int = 0
    updates: int = 0


class Result(NamedTuple):
    """What a run gives: see :class:`longlag.engine.native.online.Learned`."""

    nets: Tensor
    losses: Tensor
    learned: int


def train(sizes: Sizes, shape: Shape, runs: Sequence[Progress], batches: Sequence[Sequences]) -> list[Result]:
    """Train each run on its sequences, in place.

    Raises:
        MemoryError: there is not enough memory.

    """
    dtype = runs[0].weights.dtype
    made = [_arguments(sizes, run, batch, dtype) for run, batch in zip(runs, batches, strict=True)]
    spans, rows_of, read_of, fixed = (
        part.contiguous() for part in (shape.spans, shape.rows_of, shape.read_of, shape.fixed)
    )
    structures = (_Run * len(runs))(*(run for run, _, _ in made))
    problem = _Online(
        *(len(runs), sizes.inputs, sizes.hidden, sizes.outputs, torch.get_num_threads()),
        not batches[0].inputs.is_floating_point(),
        *(LOSSES.index(sizes.loss), sizes.every, sizes.cut, sizes.traces, sizes.each_step, sizes.shortcut),
        *(shape.size, len(spans), len(read_of), len(fixed)),
        *(spans.data_ptr(), rows_of.data_ptr(), read_of.data_ptr(), fixed.data_ptr()),
        ctypes.addressof(structures),
        team(),
    )
    if online_library(sizes.update, dtype).longlag_train_online(ctypes.byref(problem)):
        raise MemoryError("there is no memory for on-line learning")
    for run, structure in zip(runs, structures, strict=True):
        run.sequences, run.updates = structure.sequences, structure.updates
    return [result._replace(learned=run.learned) for run, (_, _, result) in zip(structures, made, strict=True)]


def online_library(update: str, dtype: torch.dtype) -> ctypes.CDLL:
    """Return the kernel of on-line learning for a pointwise update; build it if it is not there.

    Raises:
        NoLibraryError: it cannot be built or loaded.

    """
    return library(update, dtype, "online")


def _arguments(
    sizes: Sizes, run: Progress, batch: Sequences, dtype: torch.dtype
) -> tuple[_Run, tuple[Any, ...], Result]:
    """Return the arguments of a run, the tensors that they point to, and those that it writes."""
    N, L = batch.inputs.shape[:2]
    symbols = None if batch.inputs.is_floating_point() else batch.inputs.to(torch.int32).contiguous()
    x = batch.inputs.to(dtype).contiguous() if symbols is None else None
    lengths = batch.lengths.to(torch.int64).contiguous()
    counted = batch.mask.contiguous() if sizes.every else None
    softmax = sizes.loss == "softmax"
    targets = batch.targets.to(torch.int64 if softmax else dtype).contiguous()
    nets = torch.full((N, L, sizes.outputs) if sizes.every else (N, sizes.outputs), torch.nan, dtype=dtype)
    losses = torch.full((N,), torch.nan, dtype=dtype)
    structure = _Run(
        *(_at(x), _at(symbols), _at(lengths), _at(counted)),
        *(None if softmax else _at(targets), _at(targets) if softmax else None),
        *(_at(run.weights), _at(run.inertia), _at(nets), _at(losses)),
        *(N, L, run.rate, run.momentum, run.decay, run.decays_by_update, run.sequences, run.updates, 0),
    )
    return structure, (x, symbols, lengths, counted, targets), Result(nets, losses, 0)


def _at(array: Tensor | None) -> int | None:
    return None if array is None else array.data_ptr()
