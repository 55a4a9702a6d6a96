"""The contract of an engine: a way to run a cell over time."""

from abc import abstractmethod
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from longlag.cells import State


class Used(NamedTuple):
    """Which engine ran.

    Args:
        name: of the engine.
        level: the processor instructions that it used (``avx512``, ``avx2`` or ``plain``), where it has a choice.
        why: why it was not a faster engine, where the cell's class is not the reason: the machine lacks something, or
            the cell has been modified.

    """

    name: str
    level: str | None = None
    why: str | None = None

    def __str__(self) -> str:
        level = "" if self.level is None else f" ({self.level})"
        return f"{self.name}{level}" if self.why is None else f"{self.name}{level}: {self.why}"


@runtime_checkable
class Engine(Protocol):
    """A way to run a cell over time, forward and backward; it gives the numbers of the eager loop to rounding.

    An engine of your own derives from this class, sets ``name``, and defines ``fits`` and ``unroll``.
    ``SequenceModel(cell, outputs, engine=MyEngine())`` runs it.
    """

    name: str
    """What ``engine=`` calls it."""

    @property
    def level(self) -> str | None:
        """The processor instructions that it uses, where it has a choice."""
        return None

    @property
    def used(self) -> Used | None:
        """Which engine ran in the latest call: this one. ``auto`` answers ``None`` before its first call."""
        return Used(self.name, self.level)

    @abstractmethod
    def fits(self, cell: Any) -> bool:
        """Return whether the engine runs a cell: its class counts, and whether the object has been modified."""

    def refusal(self, cell: Any, x: Tensor | None = None) -> str | None:
        """Return why the engine cannot run a cell on this machine, or on these inputs; ``None`` if it can.

        This builds nothing, so it is cheap; :meth:`prepare` may still fail.

        Args:
            cell: the cell.
            x: inputs, whose device and type count; without them the cell and the machine count alone.

        """
        if self.fits(cell):
            return None
        return f"engine={self.name} does not run {type(cell).__name__} (engine=eager runs it)"

    def prepare(self, cell: Any, dtype: torch.dtype = torch.float32) -> None:
        """Build or load what a cell needs that the engine does not refuse; free of cost once that is done.

        Raises:
            ValueError: it cannot be built on this machine.

        """
        return

    @abstractmethod
    def unroll(self, cell: Any, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run a cell over sequences.

        Args:
            cell: a cell that the engine does not refuse.
            x: inputs [B, T, I].
            state: the state before the first step; the cell's initial state by default.

        Returns:
            The hidden states of all steps [B, T, H], and the final state. Change a copy of the hidden states, not the
            tensor itself: an engine may need the numbers on the way back, and then refuses, as PyTorch's own do.

        Raises:
            ValueError: the engine cannot run these inputs.

        """
