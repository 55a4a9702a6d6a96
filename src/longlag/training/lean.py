"""Parts of Lightning that are asked at every hook of every step, with nothing to work out each time.

For a small model a step takes a few milliseconds, and Lightning has some fifty hooks in it: together these save a tenth
of a millisecond.
"""

import functools
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.profilers import PassThroughProfiler


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


def unprofiled(trainer: Trainer) -> Trainer:
    """Return a trainer without a profiler, unless it has been given one."""
    made: Any = trainer  # its types do not know of the profiler
    if type(made.profiler) is PassThroughProfiler:
        made.profiler = NoProfiler()
    return trainer
