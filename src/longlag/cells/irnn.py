"""The recurrent cell of rectified linear units whose recurrent matrix starts as the identity."""

import torch
from torch import Tensor, nn

from longlag.cells.cell import Cell, State


class IRNNCell(Cell):
    """The vanilla cell with rectified linear units, started as the identity: ``h' = max(0, W [h, x] + b)``.

    The recurrent part of ``W`` starts as the identity and ``b`` at zero, so that at the start a positive state stays
    unchanged, and ∂h'/∂h is the identity where the units are on.

    State: ``h`` [B, H], zero at the start, returned twice, since the cell has no separate memory.

    Source: Le, Jaitly & Hinton 2015, section 3: the input weights start normal with a standard deviation of 0.001.

    Args:
        input_size: I.
        hidden_size: H.

    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(hidden_size + input_size, hidden_size)
        with torch.no_grad():
            nn.init.eye_(self.W.weight[:, :hidden_size])
            self.W.weight[:, hidden_size:].normal_(0.0, 0.001)
            self.W.bias.zero_()

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, h)`` to ``(h', h')``, [B, H] each."""
        h, _ = state
        h = torch.relu(self.W(torch.cat([h, x], dim=-1)))
        return h, h

    def recurrent_weights(self) -> dict[str, Tensor]:
        """Return the part of ``W`` that acts on ``h``, [H, H]."""
        return {"h": self.W.weight[:, : self.hidden_size]}
