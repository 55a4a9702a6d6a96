"""The LSTM cell whose gates see the cell state."""

import torch
from torch import Tensor, nn

from longlag.cells.cell import State
from longlag.cells.gated import GatedCell


class PeepholeLSTMCell(GatedCell):
    """The LSTM cell with peepholes: each gate sees the cell state that it guards, even while the output gate is shut.

    ::

        i, f, g, o = W [h, x] + b            pre-activations, packed in this order
        c' = σ(f + p_f ⊙ c) ⊙ c + σ(i + p_i ⊙ c) ⊙ tanh(g)
        h' = σ(o + p_o ⊙ c') ⊙ tanh(c')

    The input and the forget gate see the old cell state, the output gate the new one. The direct path is no longer
    the forget gate alone: ∂c'/∂c has a term for each of the two peepholes. While a gate is fully shut or open its
    term is zero, and the error flows back unchanged, as in the LSTM.

    State: ``h`` [B, H], ``c`` [B, H], both zero at the start.

    Source: Gers, Schraudolph & Schmidhuber 2002, "Learning Precise Timing with LSTM Recurrent Networks".

    Deviations: tanh for both squashing functions, where the timing tasks of 2002 have the identity; the full gradient,
    where theirs is truncated and no error flows back through the peepholes; blocks of one cell, hence one weight for
    each peephole and unit. The peepholes start at zero, where 2002 draws all weights from [-0.1, 0.1]: the cell is at
    first the LSTM of the same seed, and a peephole learns as soon as its cell state is not zero. The other weights
    start as those of ``nn.Linear``.

    Args:
        input_size: I.
        hidden_size: H.
        forget_bias: the initial bias of the forget gate (the gate has no other bias).

    Raises:
        ValueError: a size is not a positive integer, or ``forget_bias`` is not a number.

    """

    has_cell_state = has_carousel = True
    gate_names = ("i", "f", "o")
    forget_gate = "f"
    packing = ("i", "f", "g", "o")

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(hidden_size + input_size, 4 * hidden_size)
        self.p_i, self.p_f, self.p_o = (nn.Parameter(torch.zeros(hidden_size)) for _ in range(3))
        self.start_forget_gate(forget_bias)

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, c)``, [B, H] each, to ``(h', c')``."""
        _, _, o, c = self._units(x, state)
        return o * torch.tanh(c), c

    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return the gates i, f and o, peepholes included, [B, H] each."""
        i, f, o, _ = self._units(x, state)
        return {"i": i, "f": f, "o": o}

    def _units(self, x: Tensor, state: State) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the gates i, f and o and the new cell state, which the output gate reads."""
        h, c = state
        i, f, g, o = self.W(torch.cat([h, x], dim=-1)).chunk(4, dim=-1)  # 4 × [B, H]
        i = torch.sigmoid(torch.addcmul(i, self.p_i, c))
        f = torch.sigmoid(torch.addcmul(f, self.p_f, c))
        c = f * c + i * torch.tanh(g)
        o = torch.sigmoid(torch.addcmul(o, self.p_o, c))
        return i, f, o, c
