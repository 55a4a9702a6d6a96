"""The checkpoints of a member, in Lightning's own form: a run goes on from them alone or in any population."""

import io
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.optim import Optimizer

from longlag.runs.files import write_whole
from longlag.task.lightning_internals import Loops, checkpoint_frame
from longlag.training.checkpoint import read_checkpoint
from longlag.training.population.member_module import MemberModule, View
from longlag.training.run_parts import RunParts


class MemberCheckpoints:
    """The latest checkpoint of a member, and that of its best validation, in memory until they are written.

    Args:
        parts: of the run.
        view: counts its steps.
        seconds: returns the time of its training.

    """

    def __init__(self, parts: RunParts, view: View, seconds: Callable[[], float]) -> None:
        self._parts, self._view, self._seconds = parts, view, seconds
        self._folder = parts.plan.folder
        self.loops = Loops()
        self._last: dict[str, Any] | None = None
        self._best: dict[str, Any] | None = None
        self.written_at = 0.0
        """When the latest one was written, on the clock of ``time.monotonic``."""

    def attach(self, module: MemberModule, optimizer: Optimizer, callbacks: Sequence[Callback]) -> None:
        """Take what a checkpoint holds the state of."""
        self._module, self._optimizer = module, optimizer
        self._callbacks = [*callbacks, self._parts.timer, self._parts.checkpoints]

    @property
    def waiting(self) -> bool:
        """Whether there is one that is not written yet."""
        return self._last is not None

    def take(self, between_validations: bool = False) -> None:
        """Keep the present state as the latest checkpoint, and as the best one if this validation is the best.

        Args:
            between_validations: whether no validation has led here.

        """
        saves = self._parts.checkpoints
        better = not between_validations and saves.improved(self._module.measured["val/acc"])
        self._last = self._state(between_validations)
        if better:
            self._best = self._last

    def write(self) -> None:
        """Write what is not on the disk yet; the rows of the tables come first, then the best one, then the last."""
        if self._last is None:
            return
        folder = self._folder
        for recorder in self._module.recorders():
            recorder.before_checkpoint()
        folder.checkpoints.mkdir(exist_ok=True)
        for path, state in ((folder.best_checkpoint, self._best), (folder.last_checkpoint, self._last)):
            if state is not None:
                content = io.BytesIO()
                torch.save(state, content)
                write_whole(path, content.getvalue(), durable=False)
        self._last = self._best = None
        self.written_at = time.monotonic()

    def load(self) -> None:
        """Go on from the last checkpoint."""
        stored, module = read_checkpoint(self._folder.last_checkpoint), self._module
        module.load_state_dict(stored["state_dict"])
        module.on_load_checkpoint(stored)
        self._optimizer.load_state_dict(stored["optimizer_states"][0])
        self._view.global_step = stored["global_step"]
        self.loops = Loops.of(stored)
        for callback in self._callbacks:
            state = stored["callbacks"].get(callback.state_key)
            if state is not None:
                callback.load_state_dict(state)

    def _state(self, between_validations: bool) -> dict[str, Any]:
        """Return the content of a checkpoint, whose tensors are copies."""
        module = self._module
        states = {callback.state_key: callback.state_dict() for callback in self._callbacks}
        states[self._parts.timer.state_key]["time_elapsed"] = {"train": self._seconds()}
        frame = checkpoint_frame(self._view.global_step, self.loops, between_validations)
        return {
            **frame,
            "state_dict": _copied(module.state_dict()),
            "callbacks": {key: state for key, state in states.items() if state},
            "optimizer_states": [_copied(self._optimizer.state_dict())],
            "lr_schedulers": [],
            "hparams_name": "kwargs",
            "hyper_parameters": dict(module.hparams),
            **_copied(module.figures()),
        }


def _copied(value: Any) -> Any:
    """Return nested containers with copies of the tensors on the CPU."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_copied(part) for part in value]
    return value
