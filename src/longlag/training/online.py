"""The optimizer of on-line learning: what the native engine is to do, and how far it has come."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args

from torch.optim import Optimizer

from longlag.checks import check_number
from longlag.engine.native.online import Descent, State, Way

_After = Literal["sequence", "update"]
_Update = Literal["sequence", "step"]
_MOMENTUM = "momentum_buffer"  # as torch.optim.SGD calls it


class Online(Optimizer):
    """Gradient descent after each training sequence, by steps that the native engine takes: see ``optimizer=online``.

    With ``lr_decay=1`` and ``update=sequence``, a step is that of ``torch.optim.SGD`` with one sequence a batch.

    Args:
        params: the parameters of a model, in its order.
        lr: the learning rate of the first update.
        momentum: by what the sum of the past gradients is multiplied before a new one is added.
        lr_decay: by what the rate is multiplied after each sequence, or after each update.
        lr_decay_by: which of the two, ``sequence`` or ``update``.
        update: when the weights change: after each ``sequence``, or after each ``step`` that has a target.
        way: how the gradient is found: ``back`` through time, by ``traces`` that are carried forward, or ``auto``.

    Raises:
        ValueError: an argument is out of its bounds.

    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.1,
        momentum: float = 0.0,
        lr_decay: float = 1.0,
        lr_decay_by: _After = "sequence",
        update: _Update = "sequence",
        way: Way = "auto",
    ) -> None:
        check_number("lr", lr, 0)
        check_number("momentum", momentum, 0)
        check_number("lr_decay", lr_decay, 0, 1, above=True)
        for name, value, known in (
            ("lr_decay_by", lr_decay_by, get_args(_After)),
            ("update", update, get_args(_Update)),
            ("way", way, get_args(Way)),
        ):
            if value not in known:
                raise ValueError(f"{name} must be {' or '.join(known)}, got {value!r}")
        self.update: _Update = update
        self.way: Way = way
        rate = {"lr": lr, "momentum": momentum, "lr_decay": lr_decay, "lr_decay_by": lr_decay_by}
        super().__init__(params, {**rate, "sequences": 0, "updates": 0})

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # never returns
        """Raise an error.

        Raises:
            RuntimeError: the native engine takes the steps, and no Trainer does.

        """
        raise RuntimeError("Online takes no steps: longlag train has the native engine take them")

    @property
    def descent(self) -> Descent:
        """The descent, for the engine."""
        group = self.param_groups[0]
        return Descent(group["lr"], group["momentum"], group["lr_decay"], group["lr_decay_by"])

    @property
    def progress(self) -> State:
        """How far it has come, for the engine to go on from."""
        group = self.param_groups[0]
        sums = [self.state[part].get(_MOMENTUM) for part in group["params"]]
        return State(None if any(each is None for each in sums) else sums, group["sequences"], group["updates"])

    def note(self, state: State) -> None:
        """Take over how far the engine has come, for checkpoints."""
        group = self.param_groups[0]
        group["sequences"], group["updates"] = state.sequences, state.updates
        for part, value in zip(group["params"], state.momentum or (), strict=bool(state.momentum)):
            self.state[part][_MOMENTUM] = value
