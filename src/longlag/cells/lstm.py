"""The LSTM cell with a forget gate."""

import torch
from torch import Tensor, nn

from longlag.cells.cell import State
from longlag.cells.gated import GatedCell


class LSTMCell(GatedCell):
    """The long short-term memory cell, whose forget gate keeps the cell state.

    ::

        i, f, g, o = W [h, x] + b            pre-activations, packed in this order
        c' = σ(f) ⊙ c + σ(i) ⊙ tanh(g)
        h' = σ(o) ⊙ tanh(c')

    Along the direct path ∂c'/∂c = σ(f): with σ(f) near 1 the error flows back unchanged (the constant error carousel).

    State: ``h`` [B, H], ``c`` [B, H], both zero at the start.

    Source: Hochreiter & Schmidhuber 1997, sections 3.2 and 4, for the cell; Gers, Schmidhuber & Cummins 2000,
    section 3, for the forget gate.

    Deviations: tanh for both squashing functions, where 1997 has scaled logistics; the gradient is not truncated; the
    gates see the cell outputs ``h`` but not the other gates; blocks of one cell. The weights start as those of
    ``nn.Linear``.

    Args:
        input_size: I.
        hidden_size: H.
        forget_bias: the initial bias of the forget gate (the gate has no other bias).

    """

    has_cell_state = has_carousel = True
    gate_names = ("i", "f", "o")
    forget_gate = "f"
    packing = ("i", "f", "g", "o")

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(hidden_size + input_size, 4 * hidden_size)
        self.start_forget_gate(forget_bias)

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, c)``, [B, H] each, to ``(h', c')``."""
        i, f, g, o = self._units(x, state)
        c = f * state[1] + i * g
        h = o * torch.tanh(c)
        return h, c

    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return σ(i), σ(f) and σ(o), [B, H] each."""
        i, f, _, o = self._units(x, state)
        return {"i": i, "f": f, "o": o}

    def _units(self, x: Tensor, state: State) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        i, f, g, o = self.W(torch.cat([state[0], x], dim=-1)).chunk(4, dim=-1)  # 4 × [B, H]
        return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
