"""The vanilla recurrent cell."""

import torch
from torch import Tensor, nn

from longlag.cells.cell import Cell, State


class RNNCell(Cell):
    """The fully recurrent tanh unit: ``h' = tanh(W [h, x] + b)``.

    Backpropagation through time multiplies the error by ``Wᵀ diag(1 − h'²)`` at every step, so the gradient that
    reaches an early input vanishes or explodes with the lag.

    State: ``h`` [B, H], zero at the start, returned twice, since the cell has no separate memory.

    Source: Elman 1990, figure 2; the analysis of its error flow is in Hochreiter & Schmidhuber 1997, section 3.1.

    Deviations: tanh units, where Elman has logistic ones; full backpropagation through time; the weights start as
    those of ``nn.Linear``.

    Args:
        input_size: I.
        hidden_size: H.

    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(hidden_size + input_size, hidden_size)

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, h)`` to ``(h', h')``, [B, H] each."""
        h, _ = state
        h = torch.tanh(self.W(torch.cat([h, x], dim=-1)))
        return h, h

    def recurrent_weights(self) -> dict[str, Tensor]:
        """Return the part of ``W`` that acts on ``h``, [H, H]."""
        return {"h": self.W.weight[:, : self.hidden_size]}
