"""The contract of a contender in the benchmark."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from longlag.benchmark.workload import Gradients, Workload, named


class Contender(ABC):
    """A way to run cells over their sequences, forward, and forward and backward.

    - ``name``: its name, on the command line too.
    - ``at_once``: whether a call takes all runs; otherwise a call takes one run.
    - ``compiles_s``: about how many seconds it compiles at each size.

    Args:
        workload: the cells and sequences. The constructor brings them into the contender's own form, before anything is
            timed.

    Raises:
        ValueError: it cannot be built on this machine.

    """

    name: ClassVar[str]
    at_once: ClassVar[bool] = False
    compiles_s: ClassVar[float] = 0.0

    def __init__(self, workload: Workload) -> None:
        self.workload = workload

    @classmethod
    def refusal(cls, workload: Workload) -> str | None:
        """Return why it does not run these cells; ``None`` if it does."""
        return None

    @abstractmethod
    def forward(self, run: int) -> object:
        """Compute the last hidden states of a run, without a way back; return when that is done."""

    @abstractmethod
    def train(self, run: int) -> object:
        """Compute the gradient of the inputs and of all weights; return when that is done."""

    @abstractmethod
    def gradients(self, run: int) -> Gradients:
        """Return the gradient under the names of our cell's parameters, and ``x``."""


class TorchContender(Contender):
    """A contender that PyTorch differentiates. On a GPU its calls return early; the race waits for the device."""

    @abstractmethod
    def leaves(self, run: int) -> Mapping[str, Tensor]:
        """Return the tensors to differentiate by: inputs and weights, under any names."""

    @abstractmethod
    def last(self, run: int) -> Tensor:
        """Return the last hidden states: [B, H], or [R, B, H] if a call takes all runs."""

    def back(self, run: int) -> Tensor:
        """Return the gradient of :meth:`last` that goes backward."""
        return self.workload.back if self.at_once else self.workload.back[run]

    def forward(self, run: int) -> object:
        """Run the sequences of a run without a way back."""
        with torch.no_grad():
            return self.last(run)

    def train(self, run: int) -> tuple[Tensor | None, ...]:
        """Run them forward and back, and return the gradients of the leaves."""
        leaves = list(self.leaves(run).values())
        return torch.autograd.grad(self.last(run), leaves, self.back(run), allow_unused=True)

    def gradients(self, run: int) -> Gradients:
        """Return the gradients of the leaves; a contender with other names or weights than ours overrides this."""
        return named(self.leaves(run), self.train(run))
