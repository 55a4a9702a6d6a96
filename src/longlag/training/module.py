"""The LightningModule: loss, metrics, logging and optimizer around a sequence model."""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.optim import Optimizer

from longlag.model import SequenceModel
from longlag.task import Batch, Means, Task
from longlag.training.lean import NoProfiler, signed
from longlag.training.recent import Recent

OptimizerFactory = Callable[[Iterable[Any]], Optimizer]


class Diverged(Exception):  # noqa: N818 -- an outcome of a run, not a fault of the program
    """The training loss is not finite."""


class SequenceModule(LightningModule):
    """Train a sequence model on a task.

    Every figure is recorded against the number of optimizer steps that its weights have seen: ``train/loss`` at step
    k is the loss before update k + 1, ``val/acc`` at step k is the accuracy after update k.

    Args:
        model: the model to train.
        task: the task, which gives the loss and the figures that are recorded.
        optimizer: makes the optimizer from the parameters.
        seed: decides what is dropped where the model has dropout, as a pure function of it, the step and the device.

    """

    def __init__(self, model: SequenceModel, task: Task, optimizer: OptimizerFactory, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.model = model
        self.task = task
        self.make_optimizer = optimizer
        self.means = {"val": Means(), "train": Means(), "test": Means()}
        self.recent = Recent(task.recent)
        self.measured: dict[str, float] = {}
        """The latest value of every figure."""
        self._val_loss: list[tuple[Tensor, int]] = []

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; the name of Lightning's present hook, which it sets 48 times a step, by the short way."""
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)  # nn.Module looks for parameters and modules first
        else:
            super().__setattr__(name, value)

    def forward(self, batch: Batch) -> Tensor:
        """Return the model's outputs for a batch."""
        outputs: Tensor = self.model(batch.inputs, batch.lengths)
        return outputs

    def configure_optimizers(self) -> Optimizer:
        """Return the optimizer."""
        return self.make_optimizer(self.model.parameters())

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """Forget the gradients; where nobody profiles and the optimizer adds nothing, without what it does about it."""
        plain = type(optimizer).zero_grad is Optimizer.zero_grad
        if not plain or type(self.trainer.profiler) is not NoProfiler:  # type: ignore[attr-defined]
            super().optimizer_zero_grad(epoch, batch_idx, optimizer)
            return
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients as the trainer says, and record their norm before and after it."""
        due = self.trainer.global_step % self.trainer.log_every_n_steps == 0  # type: ignore[attr-defined]
        norms = {"train/grad_norm": _gradient_norm(optimizer)} if due else {}
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        if due:
            norms["train/grad_norm_clipped"] = (
                _gradient_norm(optimizer) if gradient_clip_val else norms["train/grad_norm"]
            )
            self.record(norms)

    @signed
    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            Diverged: the loss is not finite, on any device.

        """
        outputs = self.model(batch.inputs, batch.lengths, self._dropping(batch_idx))
        loss = self.task.loss(outputs, batch)
        if not self._is_finite(loss.detach()):
            raise Diverged(f"the training loss is {loss.item()} at step {self.trainer.global_step}")
        if self.trainer.global_step % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.record({"train/loss": self._mean(loss.detach(), 1)})
        if self.task.recent:
            figures = self.task.judge(outputs.detach(), batch)
            self.recent.update({name: self._in_order(values) for name, values in figures.items()})
        return loss

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Judge a batch of the validation split, or of the training set where that is judged too."""
        outputs = self(batch)
        self.means["train" if dataloader_idx else "val"].update(self.task.judge(outputs, batch))
        if not dataloader_idx and len(batch.inputs):
            self._val_loss.append((self.task.loss(outputs, batch), len(batch.inputs)))

    def on_validation_epoch_end(self) -> None:
        """Record the validation figures.

        Raises:
            Diverged: the validation loss is not finite: the weights are broken, whatever the loss before the step was.

        """
        total = sum(loss * n for loss, n in self._val_loss)
        count = sum(n for _, n in self._val_loss)
        self._val_loss = []
        assert isinstance(total, Tensor)
        values = {**self._taken("val"), **self._taken("train")}
        values["val/loss"] = self._mean(total / count, count)
        values |= {f"recent/{name}": value for name, value in self.recent.compute().items()}
        self.record(values)
        if not math.isfinite(values["val/loss"]):
            raise Diverged(f"the validation loss is {values['val/loss']} at step {self.trainer.global_step}")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Judge a batch of the test split."""
        self.means["test"].update(self.task.judge(self(batch), batch))

    def on_test_epoch_end(self) -> None:
        """Record the test figures."""
        self.record(self._taken("test"))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the figures, so that the summary of a resumed run has them all; the loggers' files come first."""
        for logger in self.trainer.loggers:
            if hasattr(logger, "before_save_checkpoint"):
                logger.before_save_checkpoint()
        checkpoint["figures"] = self.measured
        checkpoint["recent"] = self.recent.figures

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the figures."""
        self.measured = dict(checkpoint["figures"])
        self.recent.figures = {name: values.to(self.device) for name, values in checkpoint["recent"].items()}

    @property
    def sequences(self) -> int:
        """The number of training sequences seen, over all devices."""
        accumulated: int = self.trainer.accumulate_grad_batches
        return self.trainer.global_step * self.task.splits.batch_size * accumulated

    def record(self, values: Mapping[str, float]) -> None:
        """Send figures to the loggers, and to ``trainer.callback_metrics`` but for those of single layers.

        Of those Lightning makes a deep copy for each checkpoint. The loggers are called directly: they get Python
        floats, which hold 1e-300 where Lightning's own path through float32 tensors would make it 0, and the step count
        described at the class.
        """
        self.measured.update(values)
        metrics = self.trainer.callback_metrics
        metrics |= {name: torch.tensor(value) for name, value in values.items() if not name.startswith("layer")}
        if self.trainer.is_global_zero:
            for logger in self.trainer.loggers:
                logger.log_metrics({**values, "sequences": self.sequences}, step=self.trainer.global_step)

    def record_error_flow(self, flows: Mapping[int, Mapping[str, list[float]]]) -> None:
        """Send a measurement of the error flow, layer -> columns of ``error_flow.csv``, to the loggers that keep it."""
        for logger in self.trainer.loggers:
            if self.trainer.is_global_zero and hasattr(logger, "log_error_flow"):
                logger.log_error_flow(self.trainer.global_step, flows)

    def _dropping(self, batch_idx: int) -> torch.Generator | None:
        """Return the generator of what is dropped in this step, so that a resumed run drops the same."""
        if self.model.dropout == 0:
            return None
        half = batch_idx % self.trainer.accumulate_grad_batches
        what = f"dropout {self.seed} {self.trainer.global_rank} {self.trainer.global_step} {half}"
        digest = hashlib.blake2s(what.encode(), digest_size=4).digest()
        return torch.Generator(self.device).manual_seed(int.from_bytes(digest))

    def _taken(self, split: str) -> dict[str, float]:
        """Return the means of a split, and begin new ones."""
        values = {f"{split}/{name}": value for name, value in self.means[split].compute().items()}
        self.means[split].reset()
        return values

    def _in_order(self, values: Tensor) -> Tensor:
        """Return the values of the sequences of all devices, in the order in which the batch was drawn, [B]."""
        return values if self.trainer.world_size == 1 else self._gathered(values).T.flatten()

    def _is_finite(self, loss: Tensor) -> bool:
        """Return whether a loss is, on all devices: they stop together, or the others would wait for ever."""
        if self.trainer.world_size == 1:
            return math.isfinite(loss.item())
        return bool(self._gathered(loss).isfinite().all())

    def _mean(self, value: Tensor, weight: int) -> float:
        """Return the mean over the devices, each of which has seen ``weight`` sequences."""
        if self.trainer.world_size == 1:
            return value.item()
        weights = self._gathered(torch.tensor(float(weight), device=self.device))
        return ((self._gathered(value) * weights).sum() / weights.sum()).item()

    def _gathered(self, value: Tensor) -> Tensor:
        """Return the values of all devices, [devices]."""
        gathered = self.all_gather(value)
        assert isinstance(gathered, Tensor)
        return gathered


def _gradient_norm(optimizer: Optimizer) -> float:
    """Return the norm of the gradients of all parameters as one vector, in float64, where 1e-25 has a square."""
    gradients = [p.grad.double() for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    return torch.nn.utils.get_total_norm(gradients).item()
