"""The task of all contenders: cells, sequences, and the gradient that they have to compute."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from longlag.cells import Cell
from longlag.engine import eager

#: ``make(input_size, hidden_size) -> cell``
Make = Callable[[int, int], Cell]
#: ``x`` [B, T, I] and the parameters of the cell, by their names -> the gradient with respect to each
Gradients = dict[str, Tensor]


@dataclass(frozen=True)
class Size:
    """A cell, and how much it runs on.

    Args:
        cell: the name of the cell.
        H: hidden units.
        B: sequences.
        T: steps of each sequence.
        R: runs: so many cells, each with its own weights and sequences.
        I: input channels.

    """

    cell: str
    H: int
    B: int
    T: int
    R: int = 1
    I: int = 2  # noqa: E741 -- the field's name

    @property
    def least_bytes(self) -> int:
        """The memory that the sequences, the gradients and the cells as Python objects take, or less."""
        return self.R * (4 * self.B * (self.T * self.I + self.H) + 2000)

    def __str__(self) -> str:
        return f"{self.cell} H={self.H} B={self.B} T={self.T} R={self.R}"


class Workload:
    """R cells and their sequences in float32, and the gradient of the last hidden states, which goes backward.

    Args:
        size: the size.
        make: makes a cell.
        seed: the seed of weights and sequences.
        device: ``cpu`` or ``cuda``.

    """

    def __init__(self, size: Size, make: Make, seed: int = 0, device: str = "cpu") -> None:
        self.size, self.device = size, device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.cells = [make(size.I, size.H).to(device) for _ in range(size.R)]
        draws = torch.Generator().manual_seed(seed)
        self.x = torch.randn(size.R, size.B, size.T, size.I, generator=draws).to(device)  # [R, B, T, I]
        self.back = torch.randn(size.R, size.B, size.H, generator=draws).to(device)  # [R, B, H]

    def checked_runs(self) -> list[int]:
        """Return the runs whose gradient is checked: the first and the last."""
        return sorted({0, self.size.R - 1})

    def reference(self, run: int) -> Gradients:
        """Return the gradient of a run by the eager loop, in float64."""
        cell = copy.deepcopy(self.cells[run]).double()
        leaves = {"x": self.x[run].double().requires_grad_(), **dict(cell.named_parameters())}
        h = eager.unroll(cell, leaves["x"])[1][0]
        return named(leaves, torch.autograd.grad(h, list(leaves.values()), self.back[run].double(), allow_unused=True))


def named(leaves: Mapping[str, Tensor], gradients: tuple[Tensor | None, ...]) -> Gradients:
    """Return the gradients by the names of their tensors; zeros where autograd has none."""
    pairs = zip(leaves.items(), gradients, strict=True)
    return {name: torch.zeros_like(leaf) if gradient is None else gradient for (name, leaf), gradient in pairs}


def relative_error(got: Gradients, wanted: Gradients) -> float:
    """Return the norm of the difference over the norm of ``wanted``, the largest of all tensors.

    Where ``wanted`` is 0, this is the norm of the difference itself.

    Raises:
        ValueError: the tensors have other names or shapes than wanted.

    """
    shapes = [{name: tuple(part.shape) for name, part in each.items()} for each in (got, wanted)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"gradients {shapes[0]} where {shapes[1]} are wanted")
    off = []
    for name, want in wanted.items():
        scale = want.norm().item()
        off.append((got[name].to(want) - want).norm().item() / (scale if scale > 0 else 1.0))
    return math.nan if any(map(math.isnan, off)) else max(off)
