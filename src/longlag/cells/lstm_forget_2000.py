"""The LSTM in which forget gates first appeared: memory-cell blocks and a truncated gradient."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from longlag.cells.cell import State
from longlag.cells.gated import GatedCell
from longlag.cells.memory_block import (
    blocks_of,
    connected,
    draw,
    shared,
    squash_input,
    squash_state,
    start_gates,
)
from longlag.checks import check_switch


class ForgetLSTM2000Cell(GatedCell):
    """The memory-cell blocks of 2000, each with a forget gate; all units read the cell outputs, but not the gates.

    ::

        m = [h, x]                           what all units read: cell outputs, input
        i, f, o = σ(W m + b)                 the gates of all blocks, packed in this order
        s' = f ⊙ s + i ⊙ g(U m)              g(z) = 4σ(z) − 2
        h' = o ⊙ squash(s')                  squash(z) = 2σ(z) − 1

    The cells of a block share the gates of the block. ∂s'/∂s = f. The published gradient knows no other path through
    time: it is cut where ``h`` enters ``m``, so that a shut forget gate ends the memory and the error flow alike.

    State: ``h`` [B, H], and ``c``: the internal states ``s`` [B, H]. Both are zero at the start.

    Source: Gers, Schmidhuber & Cummins 2000, section 3, for the forget gate, and its continual embedded Reber grammar
    for connections and weights; Hochreiter & Schmidhuber 1997, section 4, for the rest.

    Deviations: none known. The weights from input to output units belong to the readout.

    Args:
        input_size: I.
        hidden_size: H, the number of memory cells.
        block_size: the number of cells in a block.
        forget_bias: the initial bias of the forget gates.
        cell_bias: whether the cells have a bias too (U m + a); gates always have one.
        input_bias: the initial bias of the input gates: a number, a list with one for each block, or ``None`` to draw
            it like the weights.
        output_bias: the same for the output gates.
        weight_range: r; weights and biases are drawn from U[−r, r].
        truncate_gates: whether the gradient is the truncated one of the paper, or the full derivative.

    Raises:
        ValueError: ``hidden_size`` is not a multiple of ``block_size``, or an argument is of the wrong kind.

    """

    has_cell_state = has_carousel = True
    gate_names = ("i", "f", "o")
    forget_gate = "f"
    packing = ("i", "f", "o")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        block_size: int = 1,
        forget_bias: float = 1.0,
        cell_bias: bool = False,
        input_bias: float | Sequence[float] | None = None,
        output_bias: float | Sequence[float] | None = None,
        weight_range: float = 0.2,
        truncate_gates: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size)
        blocks = blocks_of(hidden_size, block_size)
        check_switch("cell_bias", cell_bias)
        check_switch("truncate_gates", truncate_gates)
        self.block_size = block_size
        self.truncated = truncate_gates
        self.W = nn.Linear(hidden_size + input_size, 3 * blocks)
        self.U = nn.Linear(hidden_size + input_size, hidden_size, bias=cell_bias)
        draw((self.W, self.U), weight_range)
        self.start_forget_gate(forget_bias)
        start_gates(self, blocks, input_bias, output_bias)

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, s)``, [B, H] each, to ``(h', s')``."""
        m = self._read(x, state)
        y = torch.sigmoid(self.W(m))
        i, f, o = shared(y, self.block_size).chunk(3, dim=-1)  # 3 × [B, H]
        s = f * state[1] + i * squash_input(self.U(m))
        h = o * squash_state(s)
        return h, s

    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return i, f and o, [B, blocks] each."""
        i, f, o = torch.sigmoid(self.W(self._read(x, state))).chunk(3, dim=-1)  # 3 × [B, blocks]
        return {"i": i, "f": f, "o": o}

    def direct_path(self, x: Tensor, state: State) -> Tensor | None:
        """Return f, [B, H]."""
        return shared(self.gates(x, state)["f"], self.block_size)

    def recurrent_weights(self) -> dict[str, Tensor]:
        """Return the weights of the gates [blocks, H] and of the cell input ``g`` [H, H] that act on ``h``."""
        return connected(self.gate_names, self.W, self.U)

    def _read(self, x: Tensor, state: State) -> Tensor:
        """Return what all units read, [B, H + I]."""
        h = state[0].detach() if self.truncated else state[0]
        return torch.cat([h, x], dim=-1)
