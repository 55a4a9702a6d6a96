"""The contract of a contender."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from longlag.benchmark.given import Given, Gradients, named


class Contender(ABC):
    """A way to run cells over their sequences, forward, and forward and backward.

    - ``name``: what it is called, on the command line too.
    - ``at_once``: whether a call takes all runs; otherwise they are run one after the other.
    - ``compiles_s``: about how many seconds it compiles at each size.

    Args:
        given: the cells and sequences. What it wants of them in a form of its own is made here, before anything is
            timed.

    Raises:
        ValueError: it cannot be built on this machine.

    """

    name: ClassVar[str]
    at_once: ClassVar[bool] = False
    compiles_s: ClassVar[float] = 0.0

    def __init__(self, given: Given) -> None:
        self.given = given

    @classmethod
    def refusal(cls, given: Given) -> str | None:
        """Return why it does not run these cells, ``None`` if it does."""
        return None

    @abstractmethod
    def forward(self, run: int) -> object:
        """Run the sequences of a run without a way back, for the last hidden states; return when that is done."""

    @abstractmethod
    def train(self, run: int) -> object:
        """Run them forward and back, for the gradient of the inputs and of all weights; return when that is done."""

    @abstractmethod
    def gradients(self, run: int) -> Gradients:
        """Do the same, and return the gradient under the names of our cell's parameters, and ``x``."""


class TorchContender(Contender):
    """One that is differentiated by PyTorch; on a GPU a call is done when the device is, for which the race waits."""

    @abstractmethod
    def leaves(self, run: int) -> Mapping[str, Tensor]:
        """Return what the gradient is taken with respect to: inputs and weights, by names of any kind."""

    @abstractmethod
    def last(self, run: int) -> Tensor:
        """Return the last hidden states, [B, H]; [R, B, H] of one that takes all runs at once."""

    def back(self, run: int) -> Tensor:
        """Return the gradient that is sent back, of the shape of ``last``."""
        return self.given.back if self.at_once else self.given.back[run]

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
