"""The contract of a recurrent cell."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from longlag.checks import check_positive

#: ``(h, c)``: the hidden state ``h`` [B, H], which the rest of the network reads, and the memory ``c``, which the cell
#: carries to the next step: a real or complex tensor, or a nested tuple of tensors. A step changes no tensor in place.
State = tuple[Tensor, Any]


class Cell(nn.Module, ABC):
    """One step of a recurrent network: ``h, c = cell(x, (h, c))``.

    Shapes: ``x`` [B, I], ``h`` [B, H]. A cell without a separate memory returns ``h`` twice.

    The attributes of its class state what a cell claims, and ``longlag check`` tests these claims:

    - ``has_cell_state``: ``c`` is a separate memory beside ``h``.
    - ``has_carousel``: the cell carries its memory, and the error that flows back through it, unchanged while the
      forget gate is open and the input gate is shut; a cell without these gates does so while its input is zero.
    - ``linear_in_state``: the next ``memory`` is an affine map of the ``memory``, given ``x`` and the other parts of a
      memory that has several, and a step does not read ``h``.
    - ``truncated`` (of the object): the cell cuts its gradient on purpose, so that it is not the derivative.

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
        """Return zeros for ``h`` and ``c``, [B, H] each; a cell with another memory or start overrides this."""
        zeros = torch.zeros(batch_size, self.hidden_size, device=device, dtype=dtype)
        return zeros, zeros

    def memory(self, state: State) -> Tensor:
        """Return the tensor that carries the memory: ``c``, the first part of a nested ``c``, or ``h``."""
        h, c = state
        while not isinstance(c, Tensor):
            c = c[0]
        return c if self.has_cell_state else h

    def direct_path(self, x: Tensor, state: State) -> Tensor | None:
        """Return the factor by which the step from ``state`` with input ``x`` multiplies each number of the ``memory``.

        This is ∂memory'/∂memory along the direct path: everything else that the step computes from the state counts as
        a constant. In a cell with a forget gate the factor is that gate. Its shape is that of the memory, or broadcasts
        to it; ``None`` if the cell has no direct path.
        """
        return None

    def recurrent_weights(self) -> dict[str, Tensor]:
        """Return the weights through which the previous step acts on this one, name -> [units, H].

        The name is that of the gate or candidate that the weights feed; ``h`` where there is only one, ``memory`` for a
        matrix that multiplies the memory itself.
        """
        return {}
