"""Parts of Lightning that are asked at every hook of every step, with nothing to work out each time.

For a small model a step takes a few milliseconds, and Lightning has some fifty hooks in it: together these save a tenth
of a millisecond.
"""

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.profilers import PassThroughProfiler

Function = TypeVar("Function", bound=Callable[..., Any])

_AT_EVERY_STEP = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)


class NoProfiler(PassThroughProfiler):
    """Lightning's default profiler, which measures nothing, without a new context at every hook."""

    def profile(self, action_name: str) -> AbstractContextManager[str]:  # type: ignore[override]  # it is one
        """Return a context that does nothing."""
        return nullcontext(action_name)


class Checkpoints(ModelCheckpoint):
    """Lightning's checkpoints, whose name among the callbacks is put together once."""

    @functools.cached_property
    def state_key(self) -> str:
        """The name under which a checkpoint holds the state of this callback: the one that Lightning's own has."""
        return super().state_key.replace(type(self).__qualname__, ModelCheckpoint.__qualname__, 1)


def lean(trainer: Trainer, module: LightningModule) -> Trainer:
    """Return a trainer that does without what nobody asked for; one that has been given a profiler as it is.

    Args:
        trainer: with all of its callbacks.
        module: what it will train.

    """
    made: Any = trainer  # its types do not know of the profiler
    if type(made.profiler) is PassThroughProfiler:
        made.profiler = NoProfiler()
        _drop_idle_hooks(module, LightningModule)
        for callback in made.callbacks:
            _drop_idle_hooks(callback, Callback)
    return trainer


def signed(function: Function) -> Function:
    """Keep the signature of a function, which Lightning asks for at every step, instead of having it worked out."""
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return function


def _drop_idle_hooks(hooked: Any, parent: type) -> None:
    """Take the hooks of a step that are the parent's, and do nothing, away: Lightning passes by what it cannot call."""
    for name in _AT_EVERY_STEP:
        if getattr(type(hooked), name) is getattr(parent, name):
            vars(hooked).setdefault(name, None)  # but for one that has been put there by somebody
