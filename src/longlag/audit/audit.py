"""The three baselines together, and their verdict on a task."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from longlag.audit.constant import Constant, best_constant
from longlag.audit.guessing import Guessed, GuessedNets, guess
from longlag.audit.window import trained_window
from longlag.task import Batch, Means, Task

ENOUGH = 0.99
_UNSEEN = 1 << 20  # the number of a validation batch that no validation draws

#: The figures of a split, by their names.
Figures = dict[str, float]


@dataclass(frozen=True)
class Effort:
    """The effort of the baselines.

    Args:
        window: the last steps that the window model sees; half of T by default.
        steps: the training steps of the window model.
        guesses: the most nets whose weights are guessed.
        sequences: the most sequences on which each baseline is judged.

    Raises:
        ValueError: a number is not a positive integer.

    """

    window: int | None = None
    steps: int = 1000
    guesses: int = 10_000
    sequences: int = 512

    def __post_init__(self) -> None:
        for name in ("window", "steps", "guesses", "sequences"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be a positive integer, got {value!r}")


@dataclass(frozen=True)
class Audit:
    """The results of the baselines.

    Args:
        constant: the figures of the best constants.
        window: the last steps that the window model saw.
        window_accuracy: the accuracy of the window model.
        window_passes: whether the window model does the task.
        guessed: the result of guessing the weights of recurrent nets.

    """

    constant: Constant
    window: int
    window_accuracy: float
    window_passes: bool
    guessed: Guessed

    @property
    def verdict(self) -> str:
        """The verdict in a few words: ``long-lag``, or the baselines that do the task."""
        easy = [f"the last {self.window} steps do"] if self.window_passes else []
        easy += [f"guess {self.guessed.tried:,} does"] if self.guessed.passed else []
        return ", ".join(easy) if easy else "long-lag"


def audit(task: Task, effort: Effort, progress: Callable[[str], None] = lambda text: None) -> Audit:
    """Try the three baselines on a task.

    The constant and the final figures are those of the validation split; the window model trains on fresh sequences.

    Args:
        task: the task.
        effort: the effort of the baselines.
        progress: called with a line on each baseline as it begins.

    """
    progress("the best constant")
    judged = _Judged(task, effort.sequences)
    drawn = task.draw("val", _UNSEEN, len(judged.batches[0].inputs))
    constant = best_constant(task, drawn, judged.batches[0])
    window = effort.window or max(1, task.T // 2)
    progress(f"training a model that sees the last {window} steps")
    batch_size = _batch_size(task, window)
    model = trained_window(task, window, effort.steps, batch_size)
    windowed = judged.figures(lambda batch: model(batch.inputs, batch.lengths))
    progress(f"guessing the weights of up to {effort.guesses:,} nets")
    every = task.readout == "every"

    def examine(net: GuessedNets) -> tuple[float, bool]:
        figures = judged.figures(lambda batch: net(batch.inputs, batch.lengths, every)[0])
        return figures["acc"], passes(task, figures)

    with torch.no_grad():
        guessed = guess(task, task.draw("probe", 1, 16), examine, effort.guesses)
    return Audit(constant, window, windowed["acc"], passes(task, windowed), guessed)


def passes(task: Task, figures: Figures) -> bool:
    """Return whether a baseline does the task: an accuracy of 0.99, or the criterion of the task.

    The criterion gets these figures for every split that it looks at. Some criteria are stricter than the accuracy:
    they demand a small mean error too, which has nothing to do with memory.
    """
    return figures["acc"] >= ENOUGH or task.solved(
        {f"{split}/{name}": x for split in ("val", "train", "recent") for name, x in figures.items()}
    )


class _Judged:
    """The validation sequences, drawn once, on which all baselines are judged."""

    def __init__(self, task: Task, n: int) -> None:
        self.task = task
        n = min(n, task.splits.val_size)
        self.batches = _batches(task, n)

    def figures(self, outputs: Callable[[Batch], Tensor]) -> Figures:
        means = Means()
        with torch.no_grad():
            for batch in self.batches:
                means.update(self.task.judge(outputs(batch), batch))
        return means.compute()


def _batches(task: Task, n: int) -> list[Batch]:
    (chunks, *_) = task.val_dataloader()
    batches: list[Batch] = []
    for batch in chunks:
        left = n - sum(len(b.inputs) for b in batches)
        if left <= 0:
            break
        batches.append(batch.select(slice(left)))
    return batches


def _batch_size(task: Task, window: int) -> int:
    """Return the number of sequences in a training step: 64, or fewer if a step would take too long."""
    windows = task.draw("probe", 0, 1).inputs.shape[1] if task.readout == "every" else 1
    return max(1, min(64, 2**22 // (windows * window * task.input_size)))
