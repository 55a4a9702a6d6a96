"""The classic exercise: one LSTM, one RNN, one training set, no framework."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from longlag.flow.early_gradient import PROBE_SIZE, early_gradient
from longlag.model import SequenceModel
from longlag.task import Batch, Task

TRAIN_SEED, TEST_SEED, VAL_SEED, MODEL_SEED = 1, 2, 3, 0


@dataclass(frozen=True)
class Trial:
    """The result of a training.

    Args:
        accuracy: on the test set.
        steps: the optimizer steps of the training.

    """

    accuracy: float
    steps: int


class Exercise:
    """Train a cell on 256 sequences of a task, all in one batch, with Adam; or measure its early gradient.

    The sequences come from generators seeded with 1 (training), 2 (test) and 3 (validation), the weights from the
    global generator seeded with 0.

    Args:
        task: delayed XOR over 60 steps, in the classic exercise.
        hidden_size: H of the cells.
        steps: the most optimizer steps.
        lr: Adam's step size.
        progress: called after every step with the number of steps so far.

    """

    def __init__(
        self,
        task: Task,
        hidden_size: int = 32,
        steps: int = 600,
        lr: float = 3e-3,
        progress: Callable[[int], None] = lambda step: None,
    ) -> None:
        self.task = task
        self.T = task.T
        self.hidden_size = hidden_size
        self.steps = steps
        self.lr = lr
        self.progress = progress

    def train(self, make: Callable[[int], Any]) -> Trial:
        """Train a fresh cell until it solves the validation set or reaches the last step, and test it."""
        train, test, val = (self._draw(256, seed) for seed in (TRAIN_SEED, TEST_SEED, VAL_SEED))
        model = self._model(make, self.hidden_size)
        optimizer = torch.optim.Adam(model.parameters(), lr=self.lr)
        step = 0
        while step < self.steps:
            loss = self.task.loss(model(train.inputs), train)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
            self.progress(step)
            if step % 20 == 0 and self.task.solved({"val/acc": self._accuracy(model, val)}):
                break
        return Trial(self._accuracy(model, test), step)

    def early_gradient(self, make: Callable[[int], Any]) -> float:
        """Return the early gradient of a fresh cell."""
        batch = self.task.draw("probe", 0, PROBE_SIZE)
        return early_gradient(self._model(make, self.hidden_size), batch.inputs, batch.lengths, batch.mask)

    def _model(self, make: Callable[[int], Any], hidden_size: int) -> SequenceModel:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(MODEL_SEED)
            return SequenceModel(make(hidden_size), self.task.output_size)

    def _draw(self, n: int, seed: int) -> Batch:
        return self.task.sample(n, torch.Generator().manual_seed(seed))

    def _accuracy(self, model: SequenceModel, batch: Batch) -> float:
        with torch.no_grad():
            return self.task.judge(model(batch.inputs), batch)["acc"].mean().item()
