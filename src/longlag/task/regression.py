"""Tasks whose targets are values, with the squared error and the tolerances of the papers of 1997 to 2002."""

from typing import ClassVar

import torch
from torch import Tensor

from longlag.metric import Metric
from longlag.task.base import LossForm, Task, is_method
from longlag.task.batch import Batch

#: The declaration of :meth:`RegressionTask.squared_error`.
SQUARED_ERROR = Metric("squared_error", "mean squared error", scale="log", better="lower", shown="page")
#: How to read "average training error" in a criterion -> the key of this error.
CRITERION_ERRORS = {"absolute": "error", "squared": SQUARED_ERROR.key}


class RegressionTask(Task):
    """Targets are values: [B, O], or [B, L, O] with a readout at every step, where the mask marks the steps that count.

    The loss is E = ½ Σ (output − target)² over the outputs and the steps that count, the mean over the sequences
    (Hochreiter & Schmidhuber 1997, eq. 16-19, whose update rules are those of ½ of the squared error). A sequence is
    right (``acc``) if the absolute error of every output is below ``tolerance`` at every step that counts; ``error`` is
    its mean absolute error.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("error", "mean absolute error", scale="log", better="lower", shown="page"),
    )
    tolerance: float
    """The absolute error from which on an output is wrong."""

    def unit(self, outputs: Tensor) -> Tensor:
        """Return the activations of the output units, from net inputs; the identity unless a task overrides it."""
        return outputs

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return half the squared error of the output units; ``outputs`` [B, O] or [B, L, O] are their net inputs."""
        return self._errors(outputs, self.loss_targets(batch), batch.mask).square().sum((1, 2)).mean() / 2

    @property
    def loss_form(self) -> LossForm | None:
        """``linear`` or ``logistic``, unless a task overrides :meth:`loss` or has other output units."""
        if not is_method(self.loss, RegressionTask.loss):
            return None
        if is_method(self.unit, RegressionTask.unit):
            return "linear"
        return "logistic" if is_method(self.unit, LogisticTask.unit) else None

    def predictions(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the activations of the output units and the wanted values of the scored steps: see :class:`Task`."""
        return super().predictions(self.unit(outputs), batch._replace(targets=self.wanted(batch)))

    def judge(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``acc`` and ``error`` of each sequence."""
        scored = self.scored(batch)
        errors = self._errors(outputs, self.wanted(batch), scored).abs()  # [B, S, O]
        steps = 1 if self.readout == "last" else scored.sum(1)
        return {
            "acc": (errors.amax((1, 2)) < self.tolerance).float(),
            "error": errors.sum((1, 2)) / (steps * self.output_size),
        }

    def squared_error(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the mean squared error of the outputs of each sequence, which are read at the last step, [B]."""
        return (self.unit(outputs) - self.wanted(batch)).square().mean(1)

    def _errors(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return output − target, [B, S, O], where S is 1 or L: zero at the steps that do not count."""
        errors = self.unit(outputs) - targets
        return errors[:, None] if self.readout == "last" else errors.where(mask[..., None], 0.0)


class LogisticTask(RegressionTask):
    """Output units are logistic, as in all experiments of Hochreiter & Schmidhuber 1997."""

    def unit(self, outputs: Tensor) -> Tensor:
        """Return 1 / (1 + exp(−outputs))."""
        return torch.sigmoid(outputs)


class StreamTask(LogisticTask):
    """A sequence is a stream with many answers, in which the state is never reset (Gers, Schmidhuber & Cummins 2000).

    ``acc`` is the share of right answers, ``perfect`` is 1 for a stream without a wrong one, ``error_free`` counts the
    answers before the first wrong one.
    """

    readout = "every"
    metrics = (
        *LogisticTask.metrics,
        Metric("perfect", "share of streams without an error", scale="share", better="higher", shown="page"),
        Metric("error_free", "answers before the first error", scale="log", better="higher", shown="page"),
    )

    def judge(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``acc``, ``perfect``, ``error_free`` and ``error`` of each stream."""
        errors = self._errors(outputs, self.wanted(batch), batch.mask).abs()
        right = errors.amax(2) < self.tolerance  # [B, L], true where nothing counts
        counted = batch.mask.sum(1)
        until_wrong = right.cumprod(1).bool() & batch.mask
        return {
            "acc": (right & batch.mask).sum(1) / counted,
            "perfect": right.all(1).float(),
            "error_free": until_wrong.sum(1).float(),
            "error": errors.sum((1, 2)) / (counted * self.output_size),
        }
