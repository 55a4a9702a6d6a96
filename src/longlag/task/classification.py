"""Tasks whose targets are classes."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from longlag.task.base import LossForm, Task, is_method
from longlag.task.batch import Batch


class ClassificationTask(Task):
    """Targets are classes: [B], or [B, L] with a readout at every step, where the mask marks the steps that count.

    The loss is the cross-entropy of the class scores, the mean over the steps that count of each sequence and then
    over the sequences; ``acc`` is the share of those steps at which the highest score is the target's.
    """

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the cross-entropy of the class scores ``outputs`` [B, O] or [B, L, O]."""
        targets = self.loss_targets(batch)
        if self.readout == "last":
            return cross_entropy(outputs, targets)
        at_steps = cross_entropy(outputs.transpose(1, 2), targets, reduction="none")  # [B, L]
        return _mean_where(at_steps, batch.mask).mean()

    @property
    def loss_form(self) -> LossForm | None:
        """``softmax``, unless a task overrides :meth:`loss`."""
        return "softmax" if is_method(self.loss, ClassificationTask.loss) else None

    def judge(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return ``acc``, the share of right answers of each sequence."""
        right = (outputs.argmax(-1) == batch.targets).float()  # [B] or [B, L]
        return {"acc": right if self.readout == "last" else _mean_where(right, self.scored(batch))}


def _mean_where(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of each row [B, L] over the steps that count, [B]."""
    return values.where(mask, 0.0).sum(1) / mask.sum(1)
