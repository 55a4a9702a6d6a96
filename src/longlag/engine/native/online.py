"""On-line learning: plain descent after each sequence, or each answer, of millions, without Python in between.

The lanes of a vector are runs, so that the smallest networks fill the processor. A run's numbers are bit for bit those
that it gives alone, whatever runs are beside it and however many threads there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor

from longlag.engine.kernel_cells import kernel_cell, packed
from longlag.engine.native.online_call import Progress, Sequences, Sizes, online_library, train
from longlag.engine.native.online_checks import check_batch, refusal
from longlag.engine.native.online_weights import shape_of

Loss = Literal["linear", "logistic", "softmax"]
Way = Literal["auto", "back", "traces"]


@dataclass(frozen=True)
class Descent:
    """Gradient descent as ``torch.optim.SGD`` does it, with a rate that may decay.

    Args:
        rate: the learning rate of the first update.
        momentum: by what the sum of the past gradients is multiplied before a new one is added.
        decay: by what the rate is multiplied after each sequence, or after each update.
        decay_by: which of the two.

    """

    rate: float
    momentum: float = 0.0
    decay: float = 1.0
    decay_by: Literal["sequence", "update"] = "sequence"


class State(NamedTuple):
    """What a run must keep beside its weights to go on as if it had not stopped."""

    momentum: list[Tensor] | None
    """The sum of past gradients of each parameter, in the order of ``model.parameters()``; ``None`` if it has none."""
    sequences: int = 0
    """How many sequences it has learned."""
    updates: int = 0
    """How many updates there have been."""


class Learned(NamedTuple):
    """What a run gives on N sequences, of each before the update that follows it."""

    nets: Tensor
    """The outputs as the model gives them, before the output unit: [N, O], or [N, L, O], nan where no target counts."""
    losses: Tensor
    """The loss of each sequence as a batch of one, [N]."""
    learned: int
    """How many sequences were learned: fewer than N if the loss of the next one was not finite; the run ended there,
    with the weights that it had."""
    loss: Loss
    """Which output units there are."""

    @property
    def outputs(self) -> Tensor:
        """The activations of the output units, for ``softmax`` probabilities: in the shape of ``nets``."""
        if self.loss == "linear":
            return self.nets
        return torch.sigmoid(self.nets) if self.loss == "logistic" else torch.softmax(self.nets, -1)


class OnlineRuns:
    """R models of one kind, each trained on its own sequences, one sequence after the other.

    Args:
        models: the models, whose parameters :meth:`store` writes.
        loss: the output units and the loss of a sequence: ``linear`` or ``logistic`` units with half the squared error,
            or ``softmax`` with the cross-entropy, the mean over the steps that count.
        descents: of all runs, or one for each.
        way: how the gradient is found: ``back``, through time; or ``traces``, by derivatives of the memory that are
            carried forward, in a memory that does not grow with the length (Hochreiter & Schmidhuber 1997, appendix
            A.1; Gers, Schmidhuber & Cummins 2000). They differ by rounding. ``auto`` takes what is faster.
        update: when the weights change: after each ``sequence``, or after each ``step`` at which a target counts.

    Raises:
        ValueError: a model cannot be trained so, the models differ in kind, or the cell has no traces.
        NoLibraryError: the kernel cannot be built.

    """

    def __init__(
        self,
        models: Sequence[Any],
        loss: Loss,
        descents: Descent | Sequence[Descent],
        way: Way = "auto",
        update: Literal["sequence", "step"] = "sequence",
    ) -> None:
        if not models:
            raise ValueError("there must be a model to train")
        for name, value, known in (("loss", loss, get_args(Loss)), ("way", way, get_args(Way))):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}")
        self._kind = _kind(models[0])
        self._loss: Loss = loss
        self._models: list[Any] = []
        self._runs: list[Progress] = []
        cell, readout = models[0].cells[0], models[0].readout
        traces = carries_traces(models[0], way, update)
        entry = kernel_cell(cell)
        assert entry is not None
        self._shape = shape_of(cell, readout, models[0].shortcut)
        self._dtype: torch.dtype = readout.weight.dtype
        self._sizes = Sizes(
            *(entry.update, cell.input_size, cell.hidden_size, readout.out_features, models[0].reads == "every", loss),
            *(bool(packed(cell).cut), traces, update == "step", models[0].shortcut is not None),
        )
        online_library(entry.update, self._dtype)
        each = [descents] * len(models) if isinstance(descents, Descent) else descents
        if len(each) != len(models):
            raise ValueError(f"there must be a descent for each of {len(models)} models, got {len(each)}")
        for model, descent in zip(models, each, strict=True):
            self.add(model, descent)

    def __len__(self) -> int:
        """Return R."""
        return len(self._runs)

    def add(self, model: Any, descent: Descent, state: State | None = None) -> None:
        """Add a run, the last one, which goes on from a state.

        Raises:
            ValueError: the model cannot be trained so, or is of another kind.

        """
        if _kind(model) != self._kind:
            raise ValueError("on-line learning takes models of one kind, shape and type of number at once")
        sums = None if state is None else state.momentum
        run = Progress(
            self._laid_out(list(model.parameters())),
            self._laid_out(sums) if sums is not None else torch.zeros(self._shape.size, dtype=self._dtype),
            *(descent.rate, descent.momentum, descent.decay, descent.decay_by == "update"),
            *((0, 0) if state is None else (state.sequences, state.updates)),
        )
        self._models.append(model)
        self._runs.append(run)

    def remove(self, run: int) -> State:
        """Take a run out, with its weights written into its model; return its state. No other run is affected."""
        self._store(run)
        state = self.state(run)
        del self._models[run], self._runs[run]
        return state

    def state(self, run: int) -> State:
        """Return the state of a run."""
        progress = self._runs[run]
        sums = self._parted(run, progress.inertia) if progress.momentum else None
        return State(sums, progress.sequences, progress.updates)

    def store(self) -> None:
        """Write the weights of all runs into the parameters of their models."""
        for run in range(len(self)):
            self._store(run)

    def load(self) -> None:
        """Read the weights of all runs from the parameters of their models, which someone has changed."""
        for model, run in zip(self._models, self._runs, strict=True):
            run.weights = self._laid_out(list(model.parameters()))

    def train(self, batches: Sequence[Sequences]) -> list[Learned]:
        """Train each run on sequences of its own, in their order; :meth:`store` then writes the weights.

        Args:
            batches: one for each run, such as a :class:`longlag.task.Batch`, in numbers and lengths of their own. All
                have inputs [N, L, I], or all have symbols [N, L], whole numbers, for inputs that are one-hot.

        Returns:
            What each run gives.

        Raises:
            ValueError: a batch is none for these models.
            MemoryError: there is not enough memory.

        """
        if len(batches) != len(self):
            raise ValueError(f"there must be a batch for each of {len(self)} runs, got {len(batches)}")
        if len({batch.inputs.is_floating_point() for batch in batches}) > 1:
            raise ValueError("all runs must have vectors as inputs, or all symbols")
        for batch in batches:
            check_batch(self._sizes, batch)
        results = train(self._sizes, self._shape, self._runs, batches) if self._runs else []
        return [Learned(*result, self._loss) for result in results]

    def _laid_out(self, numbers: Sequence[Tensor]) -> Tensor:
        """Return numbers of the parameters [W], laid out as the kernel has them."""
        weights = torch.zeros(self._shape.size, dtype=self._dtype)
        weights[self._shape.places] = torch.cat([part.detach().flatten() for part in numbers])
        return weights

    def _parted(self, run: int, weights: Tensor) -> list[Tensor]:
        """Return numbers of the kernel [W] as the parameters of a model have them."""
        parameters = list(self._models[run].parameters())
        parts = torch.split(weights[self._shape.places], [parameter.numel() for parameter in parameters])
        return [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]

    @torch.no_grad()
    def _store(self, run: int) -> None:
        parts = self._parted(run, self._runs[run].weights)
        for parameter, part in zip(self._models[run].parameters(), parts, strict=True):
            parameter.copy_(part)


def carries_traces(model: Any, way: Way, update: str) -> bool:
    """Return whether derivatives of the memory are carried forward.

    Args:
        model: a model that can be trained on-line; see :func:`refusal`.
        way: how the gradient is to be found.
        update: when the weights are to change.

    Raises:
        ValueError: they must be, and the errors of this cell flow through more than its memory; or they must not.

    """
    cell = model.cells[0]
    entry = kernel_cell(cell)
    assert entry is not None
    can = cell.truncated or entry.update == "Cell1997"
    if way == "auto":  # they are slower where the memory is multiplied, or where errors arise at every step
        last = model.reads == "last"
        way = "traces" if update == "step" or (can and entry.update != "ForgetBlock" and last) else "back"
    if update == "step" and way == "back":
        raise ValueError("update=step wants way=traces: the weights change while errors would flow back")
    if way == "traces" and not can:
        wanted = "an error that flows through the memory alone"
        raise ValueError(f"way=traces and update=step want {wanted}; that of this {type(cell).__name__} does not")
    return way == "traces"


def _kind(model: Any) -> tuple[Any, ...]:
    """Return what all runs have in common.

    Raises:
        ValueError: the model cannot be trained on-line.

    """
    if (why := refusal(model)) is not None:
        raise ValueError(why)
    cell = model.cells[0]
    parameters = [(name, part.shape, part.dtype, part.requires_grad) for name, part in model.named_parameters()]
    pack = packed(cell)
    return type(cell), pack.update, pack.cut, pack.block, model.reads, *parameters


__all__ = ["Descent", "Learned", "OnlineRuns", "Sequences", "State", "carries_traces", "refusal"]
