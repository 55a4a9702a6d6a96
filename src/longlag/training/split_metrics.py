"""The metrics of one split of a task: those of the task, the loss, and those that a reader adds."""

from collections.abc import Mapping

import torch
import torchmetrics
from torch import Tensor, nn

from longlag.metric import Metric
from longlag.task import Batch, Means, Task


class SplitMetrics(nn.Module):
    """Judge the outputs for one split, batch by batch.

    Args:
        split: the first part of the keys: ``val``, ``test`` or ``train``.
        task: the task, which judges.
        metrics: metrics of torchmetrics by their names, which are copied; see :meth:`longlag.task.Task.predictions` for
            what they are updated with.
        loss: whether the loss is one of the metrics.

    """

    def __init__(
        self, split: str, task: Task, metrics: Mapping[str, torchmetrics.Metric] | None = None, loss: bool = True
    ) -> None:
        super().__init__()
        self.split = split
        self.task = task
        self.means = Means()
        self.loss = loss
        self.added = nn.ModuleDict({f"_{name}": metric.clone() for name, metric in (metrics or {}).items()})

    def update(self, outputs: Tensor, batch: Batch) -> None:
        """Judge the outputs of some sequences."""
        self.means.update(self.task.judge(outputs, batch))
        if not len(outputs):  # the share of one device of several may be empty
            return
        if self.loss:
            self.means.update({"loss": self.task.loss(outputs, batch).expand(len(outputs))})
        if self.added:
            predictions, targets = self.task.predictions(outputs, batch)
            for metric in self._added().values():
                metric.update(predictions, targets)

    def compute(self) -> dict[str, float]:
        """Return the value of each metric, over all sequences and all devices, and forget the sequences."""
        values = self.means.compute()
        self.means.reset()
        for name, metric in self._added().items():
            values[name] = metric.compute().item()
            metric.reset()
        return {f"{self.split}/{name}": value for name, value in values.items()}

    def _added(self) -> dict[str, torchmetrics.Metric]:
        return {name[1:]: metric for name, metric in self.added.items() if isinstance(metric, torchmetrics.Metric)}


def declaration(name: str, metric: nn.Module) -> Metric:
    """Return the declaration of a metric of torchmetrics."""
    better = {True: "higher", False: "lower", None: None}[getattr(metric, "higher_is_better", None)]
    return Metric(name, name.replace("_", " "), better=better)  # type: ignore[arg-type]  # mypy widens the literals


def check_metric(name: str, metric: object, task: Task) -> None:
    """Try a metric of torchmetrics on a few sequences of a task, with outputs drawn at random.

    Raises:
        ValueError: it is no such metric, its name is taken, or it does not fit the task.

    """
    if not isinstance(metric, torchmetrics.Metric):
        raise ValueError(f"{type(metric).__module__}.{type(metric).__qualname__} is not a torchmetrics.Metric")
    if name in {"acc", "loss", *(declared.key for declared in task.metrics)}:
        raise ValueError(f"{name} is a metric of the task: choose another name")
    batch = task.draw("probe", 0, 8)
    generator = torch.Generator().manual_seed(0)
    shape = batch.mask.shape if task.readout == "every" else batch.mask.shape[:1]  # [B, L] or [B]
    predictions, targets = task.predictions(torch.rand(*shape, task.output_size, generator=generator), batch)
    trial = metric.clone()
    try:
        trial.update(predictions, targets)
        value = trial.compute()
    except Exception as error:
        got = f"predictions {list(predictions.shape)} and targets {list(targets.shape)} ({targets.dtype})"
        reason = " ".join(str(error).split())
        raise ValueError(f"it does not fit the task, which gives {got}: {reason}") from error
    if not isinstance(value, Tensor) or value.numel() != 1:
        shown = f"the shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ValueError(f"a metric must be one number, and this one has {shown}")
