"""The contract of a recurrent cell."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from longlag.bounds import check_positive

#: ``(h, c)``: the hidden state ``h`` [B, H], which the rest of the network reads, and the memory ``c`` that the cell
#: carries: a real or complex tensor, or a nested tuple of them for a cell that carries more. A step changes none.
State = tuple[Tensor, Any]


class Cell(nn.Module, ABC):
    """One step of a recurrent network: ``h, c = cell(x, (h, c))``.

    Shapes: ``x`` [B, I], ``h`` [B, H]. A cell without a memory of its own returns ``h`` twice.

    What a cell claims to be is said by the attributes of its class, and ``longlag check`` holds it to that:

    - ``has_cell_state``: ``c`` is a memory of its own beside ``h``.
    - ``has_carousel``: with its forget gate open and its input gate shut, where it has such gates, and with no input
      where it has neither, the memory is carried unchanged, and so is the error that flows back through it.
    - ``linear_in_state``: given ``x`` and, where the memory has parts, the others of them, the next ``memory`` is an
      affine map of the ``memory``, and ``h`` is not read.
    - ``truncated`` (of the object): the gradient is cut inside the cell on purpose, so that it is not the derivative.

    Args:
        input_size: I, the number of input channels; at least 1.
        hidden_size: H, the number of hidden units; at least 1.

    Raises:
        ValueError: a size is not a positive integer.

    """

    has_cell_state: ClassVar[bool] = False
    has_carousel: ClassVar[bool] = False
    linear_in_state: ClassVar[bool] = False
    truncated: bool = False

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            check_positive(name, size)
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

    def memory(self, state: State) -> Tensor:
        """Return what carries the memory: ``c``, the first part of a nested ``c``, or ``h`` if there is none."""
        h, c = state
        while not isinstance(c, Tensor):
            c = c[0]
        return c if self.has_cell_state else h

    def direct_path(self, x: Tensor, state: State) -> Tensor | None:
        """Return by what the step from ``state`` with input ``x`` multiplies each number of the ``memory``.

        This is ∂memory'/∂memory along the direct path, with all else that the step computes from the state taken as
        constant. It is the forget gate, where there is one; its shape is that of the memory, or broadcasts to it.
        ``None`` if a cell has no path of this kind.
        """
        return None

    def recurrent_weights(self) -> dict[str, Tensor]:
        """Return the weights through which the step before acts on this one, name -> [units, H]; none if it does not.

        The name is that of the gate or candidate that they feed; ``h`` where there is but one, ``memory`` for a matrix
        that multiplies the memory itself.
        """
        return {}
