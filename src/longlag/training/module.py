"""The LightningModule: loss, metrics, logging and optimizer around a sequence model."""

import functools
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import torch
import torchmetrics
from lightning import LightningModule
from lightning.pytorch.loggers import Logger
from torch import Tensor
from torch.optim import Optimizer

from longlag.built_in_metrics import BUILT_IN_METRICS
from longlag.metric import Metric, Metrics
from longlag.model import SequenceModel
from longlag.task import Batch, Task
from longlag.training.loggers.recorder import Recorder
from longlag.training.recent_sequences import RecentSequences
from longlag.training.split_metrics import SplitMetrics, declaration

OptimizerFactory = Callable[[Iterable[Any]], Optimizer]


class Diverged(Exception):  # noqa: N818 -- an outcome of a run, not a fault of the program
    """The training or the validation loss is not finite."""


class SequenceModule(LightningModule):
    """Train a sequence model on a task.

    It works in any ``lightning.Trainer``, with the task as the datamodule::

        module = SequenceModule(model, task, partial(torch.optim.Adam, lr=3e-3))
        trainer = Trainer(max_steps=600, val_check_interval=20, callbacks=[ModelCheckpoint(monitor="val/acc")])
        trainer.fit(module, datamodule=task)
        trainer.test(module, datamodule=task)  # [{"test/acc": …, "test/loss": …}]

    ``train/loss``, ``val/acc``, ``val/loss``, ``test/acc`` and the other metrics are logged with ``self.log``, so
    ``trainer.callback_metrics`` and all loggers have them. The loggers of a longlag run, which are a
    :class:`~longlag.training.loggers.recorder.Recorder` each, get them directly, in float64, by the number of optimizer
    steps that the weights have seen: ``train/loss`` at step k is the loss before update k + 1, ``val/acc`` at step k is
    the accuracy after update k.

    A checkpoint holds the weights, the seed and the latest figures, but neither the model nor the task::

        module = SequenceModule.load_from_checkpoint("best.ckpt", model=model, task=task)

    Here ``model`` is a model of the same sizes; its weights are overwritten. ``longlag.load_run`` makes model and task
    from the settings of a run.

    Args:
        model: the model to train.
        task: the task, which gives the loss and the metrics.
        optimizer: makes the optimizer from the parameters; needed to train.
        seed: decides what is dropped where the model has dropout, as a pure function of the seed, the step and the
            device.
        metrics: metrics of torchmetrics by their names, computed at validation and test beside those of the task:
            ``f1`` is logged as ``val/f1`` and ``test/f1``.

    """

    def __init__(
        self,
        model: SequenceModel,
        task: Task,
        optimizer: OptimizerFactory | None = None,
        seed: int = 0,
        metrics: Mapping[str, torchmetrics.Metric] | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters("seed", logger=False)
        self.seed = seed
        self.model = model
        self.task = task
        self.make_optimizer = optimizer
        self.added_metrics = dict(metrics or {})
        self.val_metrics = SplitMetrics("val", task, metrics)
        self.test_metrics = SplitMetrics("test", task, metrics)
        self.train_metrics = SplitMetrics("train", task, loss=False)
        """Of the fixed training set, where the task judges it."""
        self.recent = RecentSequences(task.recent)
        self.measured: dict[str, float] = {}
        """The latest value of each metric."""
        self.best: dict[str, float] = {}
        """The best value of each validation metric that has a better direction."""

    def declared(self) -> list[Metric]:
        """Return the declarations of the metrics beside :mod:`longlag.built_in_metrics`."""
        return [*self.task.metrics, *(declaration(name, metric) for name, metric in self.added_metrics.items())]

    @functools.cached_property
    def best_is(self) -> dict[str, Literal["max", "min"]]:
        """Whether the best value of a validation metric is its highest or its lowest."""
        metrics = Metrics([*BUILT_IN_METRICS, *self.declared()])
        keys = [f"val/{name}" for name in ("acc", "loss", *(metric.key for metric in self.declared()))]
        return {key: "max" if better == "higher" else "min" for key in keys if (better := metrics[key].better)}

    def forward(self, batch: Batch) -> Tensor:
        """Return the outputs of the model for a batch, [B, O] or [B, L, O]."""
        outputs: Tensor = self.model(batch.inputs, batch.lengths)
        return outputs

    def configure_optimizers(self) -> Optimizer:
        """Return the optimizer.

        Raises:
            ValueError: there is none.

        """
        if self.make_optimizer is None:
            raise ValueError("SequenceModule needs an optimizer to train: optimizer=partial(torch.optim.Adam, lr=3e-3)")
        return self.make_optimizer(self.model.parameters())

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients as the trainer says, and record their norm before and after it."""
        due = self._is_due()
        norms = {"train/grad_norm": _gradient_norm(optimizer)} if due else {}
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        if due:
            norms["train/grad_norm_clipped"] = (
                _gradient_norm(optimizer) if gradient_clip_val else norms["train/grad_norm"]
            )
            self._record_step(norms)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            Diverged: the loss is not finite, on any device.

        """
        outputs = self.model(batch.inputs, batch.lengths, self.dropping(batch_idx))
        return self.training_loss(outputs, batch)

    def training_loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the loss of the outputs for a training batch, and record it where a step is recorded.

        Raises:
            Diverged: the loss is not finite, on any device.

        """
        loss = self.task.loss(outputs, batch)
        if not self._is_finite(loss.detach()):
            raise Diverged(f"the training loss is {loss.item()} at step {self.trainer.global_step}")
        if self._is_due():
            self._record_step({"train/loss": self._mean(loss.detach())})
        if self.task.recent:
            figures = self.task.judge(outputs.detach(), batch)
            self.recent.update({name: self._in_order(values) for name, values in figures.items()})
        return loss

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Judge a batch of the validation split, or of the training set where the task judges it too."""
        self.judge_validation(self(batch), batch, dataloader_idx)

    def judge_validation(self, outputs: Tensor, batch: Batch, dataloader_idx: int = 0) -> None:
        """Judge the outputs for a batch of validation; see :meth:`validation_step`."""
        metrics = self.train_metrics if dataloader_idx else self.val_metrics
        metrics.update(outputs, batch)

    def on_validation_epoch_end(self) -> None:
        """Record the validation metrics.

        Raises:
            Diverged: the validation loss is not finite: the weights are broken, whatever the loss before the step was.

        """
        values = {**self.val_metrics.compute(), **self.train_metrics.compute()}
        values |= {f"recent/{name}": value for name, value in self.recent.compute().items()}
        self.record(values)
        if not math.isfinite(values["val/loss"]) and not self.trainer.sanity_checking:
            raise Diverged(f"the validation loss is {values['val/loss']} at step {self.trainer.global_step}")

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Judge a batch of the test split."""
        self.test_metrics.update(self(batch), batch)

    def on_test_epoch_end(self) -> None:
        """Record the test metrics."""
        self.record(self.test_metrics.compute())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the figures for the summary of a resumed run, after the recorders have written their files."""
        for recorder in self.recorders():
            recorder.before_checkpoint()
        checkpoint |= self.figures()

    def figures(self) -> dict[str, Any]:
        """Return the figures that a checkpoint keeps."""
        return {"figures": dict(self.measured), "best": dict(self.best), "recent": dict(self.recent.figures)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the figures."""
        self.measured = dict(checkpoint["figures"])
        self.best = dict(checkpoint["best"])
        self.recent.figures = {name: values.to(self.device) for name, values in checkpoint["recent"].items()}

    @property
    def sequences(self) -> int:
        """The number of training sequences seen, over all devices."""
        accumulated: int = self.trainer.accumulate_grad_batches
        return self.trainer.global_step * self.task.splits.batch_size * accumulated

    def record(self, values: Mapping[str, float]) -> None:
        """Record metrics of the present weights, the same on all devices: before training, at validation or at test.

        A figure that a probe takes before the first step goes to the loggers alone: ``self.log`` would count it for
        the whole epoch. Where all loggers are recorders, the metrics of single layers go to them alone: ``self.log``
        of a dozen more costs a tenth of a run.
        """
        trainer = self.trainer
        if trainer.sanity_checking:
            return
        self._send(values)
        plain = self._plain_loggers()
        if trainer.evaluating:
            logged = {name: self._exact(x) for name, x in values.items() if plain or not name.startswith("layer")}
            self.log_dict(logged, sync_dist=True, batch_size=1)
        elif trainer.is_global_zero:
            for logger in plain:
                logger.log_metrics(dict(values), step=trainer.global_step)

    def record_error_flow(self, flows: Mapping[int, Mapping[str, list[float]]]) -> None:
        """Send a measurement of the error flow, layer -> columns of ``error_flow.csv``, to the recorders."""
        if self.trainer.is_global_zero:
            for recorder in self.recorders():
                recorder.record_error_flow(self.trainer.global_step, flows)

    def _record_step(self, values: Mapping[str, float]) -> None:
        """Record metrics of a training step."""
        if self.trainer.global_step % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self._send(values)
        self.log_dict({name: self._exact(value) for name, value in values.items()}, on_step=True, on_epoch=False)

    def _is_due(self) -> bool:
        """Return whether this training step is recorded; for other loggers, Lightning takes the step before it too."""
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        step = self.trainer.global_step
        return every > 0 and (step % every == 0 or ((step + 1) % every == 0 and bool(self._plain_loggers())))

    def _send(self, values: Mapping[str, float]) -> None:
        """Send metrics to the recorders, which keep the float64 and the step that the class describes."""
        self.measured.update(values)
        for name, best_is in self.best_is.items():
            if math.isfinite(value := values.get(name, math.nan)):
                pick = max if best_is == "max" else min
                self.best[name] = pick(value, self.best.get(name, value))
        if self.trainer.is_global_zero:
            for recorder in self.recorders():
                recorder.record({**values, "sequences": self.sequences}, self.trainer.global_step)

    def recorders(self) -> list[Recorder]:
        """Return the loggers that take the figures directly."""
        return [logger for logger in self.trainer.loggers if isinstance(logger, Recorder)]

    def _plain_loggers(self) -> list[Logger]:
        return [logger for logger in self.trainer.loggers if not isinstance(logger, Recorder)]

    def _exact(self, value: float) -> Tensor:
        """Return a value for ``self.log``: in float64, where 1e-300 is not 0, unless the device has none."""
        dtype = torch.float32 if self.device.type == "mps" else torch.float64
        return torch.tensor(value, dtype=dtype, device=self.device)

    def dropping(self, batch_idx: int) -> torch.Generator | None:
        """Return the generator of what this step drops, so that a resumed run drops the same."""
        if self.model.dropout == 0:
            return None
        half = batch_idx % self.trainer.accumulate_grad_batches
        what = f"dropout {self.seed} {self.trainer.global_rank} {self.trainer.global_step} {half}"
        digest = hashlib.blake2s(what.encode(), digest_size=4).digest()
        return torch.Generator(self.device).manual_seed(int.from_bytes(digest))

    def _in_order(self, values: Tensor) -> Tensor:
        """Return the values of the sequences of all devices, in the order in which the batch was drawn, [B]."""
        return values if self.trainer.world_size == 1 else self._gathered(values).T.flatten()

    def _is_finite(self, loss: Tensor) -> bool:
        """Return whether a loss is finite on all devices: they stop together, or the others would wait for ever."""
        if self.trainer.world_size == 1:
            return math.isfinite(loss.item())
        return bool(self._gathered(loss).isfinite().all())

    def _mean(self, value: Tensor) -> float:
        """Return the mean over the devices."""
        return value.item() if self.trainer.world_size == 1 else self._gathered(value).mean().item()

    def _gathered(self, value: Tensor) -> Tensor:
        """Return the values of all devices, [devices]."""
        gathered = self.all_gather(value)
        assert isinstance(gathered, Tensor)
        return gathered


def _gradient_norm(optimizer: Optimizer) -> float:
    """Return the norm of the gradients of all parameters as one vector, in float64, where 1e-25 has a square."""
    gradients = [p.grad.double() for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    return torch.nn.utils.get_total_norm(gradients).item()
