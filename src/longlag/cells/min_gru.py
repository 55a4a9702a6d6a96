"""The minimal gated recurrent unit, whose gate sees the input alone."""

import torch
from torch import Tensor, nn

from longlag.cells.cell import State
from longlag.cells.gated import GatedCell
from longlag.cells.linear import LinearCell


class MinGRUCell(GatedCell, LinearCell):
    """The gated recurrent unit without the dependencies on ``h`` that prevent running all steps in parallel.

    ::

        f, g = W x + b                       pre-activations, packed in this order
        h' = σ(f) ⊙ h + (1 − σ(f)) ⊙ g

    ∂h'/∂h = σ(f), and there is no other path: the gate does not see ``h``.

    State: ``h`` [B, H], zero at the start, returned twice, since the cell has no separate memory.

    Source: Feng et al. 2024, "Were RNNs All We Needed?", section 3.1.

    Deviations: the gate is f = 1 − z and keeps, where the z of the paper replaces; this is the same function with the
    opposite sign of the weights of the gate; the plain version, whose candidate g is linear in ``x`` and whose
    recurrence is not in log space; biases in both maps. The weights start as those of ``nn.Linear``.

    Args:
        input_size: I.
        hidden_size: H.
        forget_bias: the initial bias of the forget gate (the gate has no other bias).

    Raises:
        ValueError: a size is not a positive integer, or ``forget_bias`` is not a number.

    """

    has_cell_state = False
    has_carousel = True
    gate_names = ("f",)
    forget_gate = "f"
    packing = ("f", "g")

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, 2 * hidden_size)
        self.start_forget_gate(forget_bias)

    def affine(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return σ(f) and (1 − σ(f)) ⊙ g, [..., H] each, for ``x`` [..., I]."""
        f, g = self._units(x)
        return f, (1 - f) * g

    def read(self, m: Tensor, x: Tensor) -> Tensor:
        """Return the memory, which is the hidden state."""
        return m

    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return σ(f), [B, H]."""
        return {"f": self._units(x)[0]}

    def _units(self, x: Tensor) -> tuple[Tensor, Tensor]:
        f, g = self.W(x).chunk(2, dim=-1)  # 2 × [..., H]
        return torch.sigmoid(f), g
