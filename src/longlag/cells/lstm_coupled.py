"""The LSTM cell whose input gate is 1 minus its forget gate."""

import torch
from torch import Tensor, nn

from longlag.cells.cell import State
from longlag.cells.gated import GatedCell


class CoupledLSTMCell(GatedCell):
    """The LSTM cell with coupled gates, i = 1 − f: it takes in as much as it forgets.

    ::

        f, g, o = W [h, x] + b               pre-activations, packed in this order
        c' = σ(f) ⊙ c + (1 − σ(f)) ⊙ tanh(g)
        h' = σ(o) ⊙ tanh(c')

    Along the direct path ∂c'/∂c = σ(f), as in the LSTM; but a gate that is open for the error is shut for the input,
    and the cell state stays in (−1, 1).

    State: ``h`` [B, H], ``c`` [B, H], both zero at the start.

    Source: Greff et al. 2015, "LSTM: A Search Space Odyssey" (CIFG).

    Deviations: no peepholes. The weights start as those of ``nn.Linear``.

    Args:
        input_size: I.
        hidden_size: H.
        forget_bias: the initial bias of the forget gate (the gate has no other bias).

    """

    has_cell_state = has_carousel = True
    gate_names = ("f", "o")
    forget_gate = "f"
    packing = ("f", "g", "o")

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(hidden_size + input_size, 3 * hidden_size)
        self.start_forget_gate(forget_bias)

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, c)``, [B, H] each, to ``(h', c')``."""
        f, g, o = self._units(x, state)
        c = f * state[1] + (1 - f) * g
        h = o * torch.tanh(c)
        return h, c

    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return σ(f) and σ(o), [B, H] each."""
        f, _, o = self._units(x, state)
        return {"f": f, "o": o}

    def _units(self, x: Tensor, state: State) -> tuple[Tensor, Tensor, Tensor]:
        f, g, o = self.W(torch.cat([state[0], x], dim=-1)).chunk(3, dim=-1)  # 3 × [B, H]
        return torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
