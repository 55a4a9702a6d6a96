"""The three baselines together, and what they say about a task."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from longlag.audit.constant import Constant, best_constant
from longlag.audit.guessing import Guessed, GuessedNets, guess
from longlag.audit.window import trained_window
from longlag.task import Batch, Means, Task

ENOUGH = 0.99
_UNSEEN = 1 << 20  # a batch of the validation stream that no validation comes to

#: The figures of a split, by name.
Figures = dict[str, float]


@dataclass(frozen=True)
class Effort:
    """How hard the baselines try.

    Args:
        window: how many of the last steps the window model sees; half of T if none is given.
        steps: of training of the window model.
        guesses: the most nets whose weights are guessed.
        sequences: on which each baseline is judged, at most.

    Raises:
        ValueError: one of them is not a positive integer.

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
    """What the baselines reach.

    Args:
        constant: the best constants.
        window: how many of the last steps the window model saw.
        window_accuracy: what it reached.
        window_passes: whether that is enough.
        guessed: what guessing the weights of recurrent nets came to.

    """

    constant: Constant
    window: int
    window_accuracy: float
    window_passes: bool
    guessed: Guessed

    @property
    def verdict(self) -> str:
        """What they say, in a few words."""
        easy = [f"the last {self.window} steps do"] if self.window_passes else []
        easy += [f"guess {self.guessed.tried:,} does"] if self.guessed.passed else []
        return ", ".join(easy) if easy else "long-lag"


def audit(task: Task, effort: Effort, progress: Callable[[str], None] = lambda text: None) -> Audit:
    """Try the three baselines on a task.

    The constant and the final figures are those of the validation split; the window model trains on fresh sequences.

    Args:
        task: the task.
        effort: how hard to try.
        progress: told what is going on.

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
    """Say whether a baseline does the task: an accuracy of 0.99, or the task's own criterion.

    The criterion is asked as if the figures were those of every split that it looks at. Some criteria are stricter than
    the accuracy: they ask for a small mean error too, which says nothing about memory.
    """
    return figures["acc"] >= ENOUGH or task.solved(
        {f"{split}/{name}": x for split in ("val", "train", "recent") for name, x in figures.items()}
    )


class _Judged:
    """Validation sequences of a task, drawn once, on which all baselines are judged."""

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
    found: list[Batch] = []
    for batch in chunks:
        left = n - sum(len(b.inputs) for b in found)
        if left <= 0:
            break
        found.append(batch.select(slice(left)))
    return found


def _batch_size(task: Task, window: int) -> int:
    """Return the sequences of a training step: 64, or fewer where a step would take too long."""
    windows = task.draw("probe", 0, 1).inputs.shape[1] if task.readout == "every" else 1
    return max(1, min(64, 2**22 // (windows * window * task.input_size)))
