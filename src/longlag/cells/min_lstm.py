"""The minimal LSTM cell, whose gates see the input alone."""

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from longlag.cells.cell import State
from longlag.cells.gated import GatedCell
from longlag.cells.linear import LinearCell


class MinLSTMCell(GatedCell, LinearCell):
    """The LSTM cell without the dependencies on ``h`` that prevent parallel steps, with gates that add up to 1.

    ::

        i, f, g = W x + b                    pre-activations, packed in this order
        f̂ = σ(f) / (σ(f) + σ(i))
        î = σ(i) / (σ(f) + σ(i)) = 1 − f̂
        h' = f̂ ⊙ h + î ⊙ g

    ∂h'/∂h = f̂, and there is no other path: the gates do not see ``h``. The normalised f̂ and î act on the memory, so
    ``gates`` returns them. The cell computes them as σ(±(log σ(f) − log σ(i))), which stays right where σ(f) and σ(i)
    underflow.

    State: ``h`` [B, H], zero at the start, returned twice, since the cell has no separate memory.

    Source: Feng et al. 2024, "Were RNNs All We Needed?", section 3.2.

    Deviations: the plain version, whose candidate g is linear in ``x`` and whose recurrence is not in log space;
    biases in all three maps. The weights start as those of ``nn.Linear``.

    Args:
        input_size: I.
        hidden_size: H.
        forget_bias: b, the initial bias of the forget gate; the input gate starts with −b, and since
            σ(b) + σ(−b) = 1 the normalised forget gate is σ(b) without input.

    Raises:
        ValueError: a size is not a positive integer, or ``forget_bias`` is not a number.

    """

    has_cell_state = False
    has_carousel = True
    gate_names = ("i", "f")
    forget_gate = "f"
    packing = ("i", "f", "g")

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, 3 * hidden_size)
        self.start_forget_gate(forget_bias)

    def affine(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return f̂ and î ⊙ g, [..., H] each, for ``x`` [..., I]."""
        i, f, g = self._units(x)
        return f, i * g

    def read(self, m: Tensor, x: Tensor) -> Tensor:
        """Return the memory, which is the hidden state."""
        return m

    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return the normalised gates î and f̂, [B, H] each."""
        i, f, _ = self._units(x)
        return {"i": i, "f": f}

    def start_forget_gate(self, bias: float | Tensor) -> None:
        """Set the initial bias of the forget gate, and that of the input gate to its negative.

        Raises:
            ValueError: the bias is not a number.

        """
        super().start_forget_gate(bias)
        self.gate_bias("i").copy_(-self.gate_bias("f"))

    def _units(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        i, f, g = self.W(x).chunk(3, dim=-1)  # 3 × [..., H]
        log_ratio = logsigmoid(f) - logsigmoid(i)
        return torch.sigmoid(-log_ratio), torch.sigmoid(log_ratio), g
