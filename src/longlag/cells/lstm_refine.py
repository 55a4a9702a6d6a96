"""The LSTM cell with a second gate that bends the forget gate."""

import torch
from torch import Tensor, nn

from longlag.cells.cell import State
from longlag.cells.gated import GatedCell


class RefinedLSTMCell(GatedCell):
    """The LSTM cell with a refine gate, which moves the forget gate f up or down where a sigmoid hardly learns.

    ::

        f, r, u, o = W [h, x] + b            pre-activations, packed in this order
        e = 2 σ(r) ⊙ σ(f) + (1 − 2 σ(r)) ⊙ σ(f)²
        c' = e ⊙ c + (1 − e) ⊙ tanh(u)
        h' = σ(o) ⊙ tanh(c')

    The effective gate e lies between σ(f)² (r shut) and 1 − (1 − σ(f))² (r open), and is σ(f) where σ(r) = ½. It
    multiplies the memory, ∂c'/∂c = e along the direct path, and ``gates`` returns it as ``f``. The input gate is 1 − e,
    as in the LSTM with coupled gates.

    With a constant ``forget_bias`` the refine gate starts with a bias of zero, so that without input the effective gate
    is σ(forget_bias) exactly. With :class:`longlag.cells.init.Uniform` the cell is the UR-LSTM.

    State: ``h`` [B, H], ``c`` [B, H], both zero at the start.

    Source: Gu, Gulcehre, Paine, Hoffman & Pascanu 2020, "Improving the Gating Mechanism of Recurrent Neural Networks".

    Deviations: the biases of f and r are separate parameters, however they start. The weights start as those of
    ``nn.Linear``.

    Args:
        input_size: I.
        hidden_size: H.
        forget_bias: the initial bias of the forget gate (the gate has no other bias).

    Raises:
        ValueError: a size is not a positive integer, or ``forget_bias`` is not a number.

    """

    has_cell_state = has_carousel = True
    gate_names = ("f", "r", "o")
    forget_gate = "f"
    refine_gate = "r"
    packing = ("f", "r", "u", "o")

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(hidden_size + input_size, 4 * hidden_size)
        self.start_forget_gate(forget_bias)

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, c)``, [B, H] each, to ``(h', c')``."""
        e, _, u, o = self._units(x, state)
        c = e * state[1] + (1 - e) * u
        h = o * torch.tanh(c)
        return h, c

    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return the effective forget gate, called ``f``, σ(r) and σ(o), [B, H] each."""
        e, r, _, o = self._units(x, state)
        return {"f": e, "r": r, "o": o}

    def start_forget_gate(self, bias: float | Tensor) -> None:
        """Set the initial bias of the forget gate, and the bias of the refine gate to zero, where it bends nothing.

        Raises:
            ValueError: the bias is not a number.

        """
        super().start_forget_gate(bias)
        self.gate_bias("r").zero_()

    def _units(self, x: Tensor, state: State) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        f, r, u, o = self.W(torch.cat([state[0], x], dim=-1)).chunk(4, dim=-1)  # 4 × [B, H]
        f, r = torch.sigmoid(f), torch.sigmoid(r)
        e = f + (2 * r - 1) * f * (1 - f)  # the effective gate with one term fewer, and exactly f where r is ½
        return e, r, torch.tanh(u), torch.sigmoid(o)
