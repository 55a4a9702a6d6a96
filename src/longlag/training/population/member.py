"""A run as a member of a population: its module, optimizer and callbacks see what those of a run alone see."""

import logging
import math
import time
from collections.abc import Iterator
from typing import Any

from lightning.pytorch.callbacks import Callback

from longlag.engine.native.online import Learned
from longlag.runs import Status
from longlag.task import Batch
from longlag.training.callbacks.error_flow import ErrorFlow
from longlag.training.callbacks.stopping import OutOfTime, seconds_of
from longlag.training.module import Diverged
from longlag.training.population.backend import Backend
from longlag.training.population.member_checkpoint import MemberCheckpoints
from longlag.training.population.member_module import MemberModule, View
from longlag.training.run import Run
from longlag.training.run_parts import RunParts

_log = logging.getLogger("longlag")


class Member(Run):
    """A run in a population.

    Args:
        parts: of the run.

    """

    def __init__(self, parts: RunParts) -> None:
        super().__init__(parts)
        plan, arguments = parts.plan, parts.plan.arguments
        self.task = plan.task
        self.view = View(arguments)
        self.checkpoints = MemberCheckpoints(parts, self.view, self.seconds)
        self._interval: int = arguments["val_check_interval"]
        self._clipping = arguments.get("gradient_clip_val"), arguments.get("gradient_clip_algorithm")
        self._budget = seconds_of(plan.max_time)
        self._until = math.inf
        self._seconds = 0.0
        probe = [] if plan.probe is None else [plan.probe]
        self.callbacks: list[Callback] = [parts.solved, parts.segments, *probe, *plan.callbacks]
        """Those of a run alone that act here too, in the order of their turns."""

    @property
    def trainer(self) -> Any:
        """What counts the steps of the run."""
        return self.view

    @property
    def own_module(self) -> MemberModule:
        """The module, once the member has started."""
        assert isinstance(self.module, MemberModule)
        return self.module

    @property
    def accuracy(self) -> float | None:
        """At the latest validation; ``None`` before the first."""
        return self.own_module.measured.get("val/acc")

    @property
    def error_flow(self) -> ErrorFlow | None:
        """The probe, if it measures the error flow."""
        probe = self.plan.probe
        return probe if isinstance(probe, ErrorFlow) else None

    def probe_batch(self) -> Batch | None:
        """Return the batch on which the error flow is measured; ``None`` if it is not."""
        return None if self.error_flow is None else self.error_flow.batch(self.own_module)

    def seconds(self) -> float:
        """Return the time of the training: of each step of the population, the member's share."""
        return self._seconds

    def spend(self, seconds: float) -> None:
        """Add to the time of the training."""
        self._seconds += seconds

    def prepare(self, backend: Backend) -> None:
        """Make the module and the optimizer, and go on from a checkpoint if there is one.

        Args:
            backend: where the population runs.

        """
        self.dtype = backend.dtype
        model = self.parts.model
        model.engines = [backend.engine for _ in model.cells]
        _log.info("trains in a population; %s runs %s", model.engines[0].used, type(model.cells[0]).__name__)
        module = self.make_module(MemberModule)
        self.view.loggers = self.loggers
        module.trainer = self.trainer
        for recorder in module.recorders():
            recorder.in_population = True
        module.to(backend.device, backend.dtype)
        self.optimizer = module.configure_optimizers()
        self.checkpoints.attach(self.own_module, self.optimizer, self.callbacks)
        if self.goes_on:
            self.checkpoints.load()

    def start(self) -> None:
        """Take the first figures; from here on the time counts."""
        if self._budget is not None:
            self._until = time.monotonic() + self._budget
        for callback in self.callbacks:
            callback.on_train_start(self.trainer, self.own_module)
        if self.view.global_step >= self.view.max_steps:
            self.view.should_stop = True

    def training_batch(self) -> Batch:
        """Draw the batch of the next step."""
        return self.task.train_batch(self.view.global_step).cast(self.dtype)

    def training_block(self, most: int) -> Batch:
        """Draw the sequences up to the next validation, or the end; at most ``most``. Each is a step."""
        step = self.view.global_step
        count = min(self._interval - step % self._interval, self.view.max_steps - step, most)
        return self.task.train_sequences(step, count, symbols=self.task.draws_symbols).cast(self.dtype)

    def end_block(self, block: Batch, learned: Learned) -> None:
        """Count and record the sequences that the engine has learned.

        Raises:
            Diverged: the loss of the next one is not finite.

        """
        module, view, count = self.own_module, self.view, learned.learned
        module.record_losses(view.global_step, learned.losses[:count])
        module.judge_recent(learned.nets[:count], block.select(slice(count)))
        view.global_step += count
        if count < len(block.lengths):
            loss = learned.losses[count].item()
            raise Diverged(f"the training loss is {loss} at step {view.global_step}")
        for callback in self.callbacks:
            callback.on_train_batch_end(self.trainer, module, None, None, 0)

    def clip(self) -> None:
        """Clip the gradients, which the way back has left in the parameters."""
        self.own_module.configure_gradient_clipping(self.optimizer, *self._clipping)

    def end_step(self) -> None:
        """Count a step of the optimizer."""
        self.view.global_step += 1
        for callback in self.callbacks:
            callback.on_train_batch_end(self.trainer, self.own_module, None, None, 0)

    @property
    def due(self) -> bool:
        """Whether a validation follows the latest step."""
        return self.view.global_step % self._interval == 0 or self.view.should_stop

    def validation_batches(self) -> Iterator[tuple[Batch, int]]:
        """Yield the batches of a validation, each with the number of its loader."""
        for number, loader in enumerate(self.task.val_dataloader()):
            for batch in loader:
                yield batch.cast(self.dtype), number

    def test_batches(self) -> Iterator[tuple[Batch, int]]:
        """Yield the batches of the test."""
        for batch in self.task.test_dataloader():
            yield batch.cast(self.dtype), 0

    def end_validation(self, batches: int) -> None:
        """Record a validation, and keep the checkpoint that belongs to it.

        Args:
            batches: how many have been judged.

        Raises:
            Diverged: the validation loss is not finite.

        """
        module = self.own_module
        self.checkpoints.loops.validated(batches)
        for callback in self.callbacks:
            callback.on_validation_epoch_end(self.trainer, module)
        module.on_validation_epoch_end()
        for callback in self.callbacks:
            callback.on_validation_end(self.trainer, module)
        self.checkpoints.take()

    def end_test(self) -> None:
        """Record the test."""
        self.view.evaluating = True
        self.own_module.on_test_epoch_end()

    def check_time(self) -> None:
        """Check that the time budget is not used.

        Raises:
            OutOfTime: it is.

        """
        if time.monotonic() >= self._until:
            self.save()
            raise OutOfTime(f"trainer.max_time={self.plan.max_time} is over at step {self.view.global_step}")

    def save(self) -> None:
        """Save a checkpoint of the latest step."""
        if not (self.view.global_step and self.due):  # else the validation has taken one
            self.checkpoints.take(between_validations=True)
        self.checkpoints.write()

    def end(self, error: BaseException | None, log: logging.Logger) -> Status:
        """Write what is not written yet, and record how the run has ended; see :meth:`Run.record_end`."""
        try:
            self.checkpoints.write()
            for logger in self.loggers:
                logger.finalize("success" if error is None else "failed")
        except Exception as fault:
            error = error or fault
        return self.record_end(error, log)
