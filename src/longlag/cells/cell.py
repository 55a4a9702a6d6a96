"""The contract of a recurrent cell."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

#: ``(h, c)``: the hidden state ``h`` [B, H], which the rest of the network reads, and the memory ``c`` that the cell
#: carries: a tensor, or a nested tuple of tensors for a cell that carries more.
State = tuple[Tensor, Any]


class Cell(nn.Module, ABC):
    """One step of a recurrent network: ``h, c = cell(x, (h, c))``.

    Shapes: ``x`` [B, I], ``h`` [B, H]. A cell without a memory of its own returns ``h`` twice.

    Args:
        input_size: I, the number of input channels; at least 1.
        hidden_size: H, the number of hidden units; at least 1.

    Raises:
        ValueError: a size is not a positive integer.

    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"{name} must be a positive integer, got {size!r}")
        self.input_size = input_size
        self.hidden_size = hidden_size

    @abstractmethod
    def forward(self, x: Tensor, state: State) -> State:
        """Map the input ``x`` [B, I] and the state ``(h, c)`` to the next state."""

    def initial_state(
        self, batch_size: int, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> State:
        """Return zeros for ``h`` and ``c``, [B, H] each; a cell with another memory or another start overrides this."""
        zeros = torch.zeros(batch_size, self.hidden_size, device=device, dtype=dtype)
        return zeros, zeros
