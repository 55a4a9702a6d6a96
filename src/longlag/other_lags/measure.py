"""The figures of a trained model on a task at another lag."""

from dataclasses import dataclass
from typing import TypedDict

import torch

from longlag.flow.decay import decay, half_life
from longlag.flow.early_gradient import PROBE_SIZE
from longlag.flow.error_flow import error_flow
from longlag.model import SequenceModel
from longlag.task import Batch, Task


class Figures(TypedDict):
    """The figures of a model at a lag."""

    accuracy: float
    loss: float
    solved: bool
    early_gradient: float | None
    gradient_half_life: float | None
    direct_half_life: float | None


@dataclass(frozen=True)
class AtLag:
    """The sequences on which models are tested at one lag; runs of one seed share them.

    Args:
        task: the task at this lag.
        test: test sequences, drawn in chunks as a run draws them.
        probe: the probe sequences; ``None`` if no error flow is to be measured.

    """

    task: Task
    test: tuple[Batch, ...]
    probe: Batch | None

    @classmethod
    def drawn(cls, task: Task, sequences: int, flow: bool) -> "AtLag":
        """Draw the sequences.

        Args:
            task: the task at this lag.
            sequences: the number of test sequences.
            flow: whether the error flow is to be measured.

        """
        sizes = [min(task.chunk_size, sequences - k) for k in range(0, sequences, task.chunk_size)]
        test = tuple(task.draw("test", k, size) for k, size in enumerate(sizes))
        return cls(task, test, task.draw("probe", 0, PROBE_SIZE) if flow else None)


def figures_at(model: SequenceModel, at: AtLag) -> Figures:
    """Return how a model does at a lag.

    ``solved`` is the task's criterion, applied to the test sequences, whichever sequences it judges in training.

    Args:
        model: the model, on the CPU, in evaluation mode.
        at: the task and its sequences.

    """
    sums: dict[str, float] = {}
    count = 0
    for batch in at.test:
        with torch.inference_mode():
            outputs = model(batch.inputs, batch.lengths)
            judged = {name: values.double().sum().item() for name, values in at.task.judge(outputs, batch).items()}
            judged["loss"] = at.task.loss(outputs, batch).item() * len(batch.lengths)
        sums = {name: sums.get(name, 0.0) + value for name, value in judged.items()}
        count += len(batch.lengths)
    means = {name: value / count for name, value in sums.items()}
    judged_as = {f"{split}/{name}": value for split in ("val", "train", "recent") for name, value in means.items()}
    early: float | None = None
    halves: list[float | None] = [None, None]
    if at.probe is not None:
        flow = error_flow(model, at.probe, at.task.loss)
        early = flow.early_gradient
        norms = flow.layers[0]
        rates = [
            decay(norms[name]) if name in norms else None for name in ("dc" if "dc" in norms else "dh", "dc_direct")
        ]
        halves = [None if rate is None else half_life(rate) for rate in rates]
    return {
        "accuracy": means["acc"], "loss": means["loss"], "solved": bool(at.task.solved(judged_as)),
        "early_gradient": early, "gradient_half_life": halves[0], "direct_half_life": halves[1],
    }  # fmt: skip
