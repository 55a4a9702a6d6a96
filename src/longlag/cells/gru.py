"""The gated recurrent unit."""

import torch
from torch import Tensor, nn

from longlag.cells.cell import State
from longlag.cells.gated import GatedCell


class GRUCell(GatedCell):
    """The gated recurrent unit: the gates of an LSTM without a separate memory.

    ::

        r, z = W [h, x] + b                  pre-activations, packed in this order
        n = tanh(U x + a + σ(r) ⊙ (V h + d))
        h' = σ(z) ⊙ h + (1 − σ(z)) ⊙ n

    Along the direct path ∂h'/∂h = σ(z): with σ(z) near 1 the error flows back unchanged, so z is the forget gate here;
    but the state that it keeps is also the one that the rest of the network reads.

    State: ``h`` [B, H], zero at the start, returned twice, since the cell has no separate memory.

    Source: Cho et al. 2014, section 2.3.

    Deviations: the reset gate acts after the recurrent product, not before it, which makes the cell that of
    ``torch.nn.GRU``; biases. The weights start as those of ``nn.Linear``.

    Args:
        input_size: I.
        hidden_size: H.
        forget_bias: the initial bias of the update gate z; ``None`` leaves the initial bias of ``nn.Linear``.

    """

    has_carousel = True
    gate_names = ("r", "z")
    forget_gate = "z"
    packing = ("r", "z")

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float | None = None) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(hidden_size + input_size, 2 * hidden_size)
        self.U = nn.Linear(input_size, hidden_size)
        self.V = nn.Linear(hidden_size, hidden_size)
        if forget_bias is not None:
            self.start_forget_gate(forget_bias)

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, h)`` to ``(h', h')``, [B, H] each."""
        h, _ = state
        r, z = self.gates(x, state).values()
        n = torch.tanh(self.U(x) + r * self.V(h))
        h = z * h + (1 - z) * n
        return h, h

    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return σ(r) and σ(z), [B, H] each."""
        r, z = torch.sigmoid(self.W(torch.cat([state[0], x], dim=-1))).chunk(2, dim=-1)  # 2 × [B, H]
        return {"r": r, "z": z}

    def recurrent_weights(self) -> dict[str, Tensor]:
        """Return the parts of ``W`` that act on ``h``, and V as ``n``, [H, H] each."""
        return {**super().recurrent_weights(), "n": self.V.weight}
