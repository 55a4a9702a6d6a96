"""The LSTM as it was first published: memory-cell blocks, no forget gate, a truncated gradient."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from longlag.cells.cell import State
from longlag.cells.gated import GatedCell, NoBiasError
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

Biased = Literal["none", "gates", "hidden"]


class LSTM1997Cell(GatedCell):
    """The memory-cell blocks of 1997, in which nothing is forgotten; all hidden units are connected.

    ::

        m = [h, y, x]                        what all units read: cell outputs, gates, input
        y' = σ(W m + b)                      the gates i, o of all blocks, packed in this order
        s' = s + i ⊙ g(U m + a)              g(z) = 4σ(z) − 2
        h' = o ⊙ squash(s')                  squash(z) = 2σ(z) − 1

    The cells of a block share the gates of the block. ∂s'/∂s = 1 at every step (the constant error carousel). The
    published gradient knows no other path through time: it is cut where ``h`` and ``y`` enter ``m``.

    Without output gates this is the memory cell of Experiments 2a and 2b, in which no hidden unit reads another and g
    is logistic: i = σ(W x + b), s' = s + i ⊙ σ(U x + a), h' = s'. There is no other path whose gradient could be cut.

    State: ``h`` [B, H], and ``c``: the internal states ``s`` [B, H] and the gates ``y`` [B, 2·blocks] of the
    previous step. Without output gates ``h`` and ``c`` are both ``s``. All are zero at the start.

    Source: Hochreiter & Schmidhuber 1997, section 4 and appendix A.1; equations 3 to 5 for the squashing functions;
    section 5 and its Tables 10 and 11 for connections, biases and weights.

    Deviations: none known. As in the experiments of the paper, and unlike in its appendix, the units read the
    input of the same step. The weights from input to output units of Experiments 2a and 2b are those of
    ``model.shortcut``.

    Args:
        input_size: I.
        hidden_size: H, the number of memory cells.
        block_size: the number of cells in a block.
        output_gate: whether blocks have output gates; see above.
        biased: the units with a bias: ``none``, ``gates``, or ``hidden`` for gates and cells.
        input_bias: the initial bias of the input gates: a number, a list with one for each block, or ``None`` to draw
            it like the weights.
        output_bias: the same for the output gates.
        weight_range: r; weights and biases are drawn from U[−r, r]. It is 0.2 in Experiments 1 and 2.
        truncate_gates: whether the gradient is the truncated one of the paper, or the full derivative.

    Raises:
        ValueError: ``hidden_size`` is not a multiple of ``block_size``; there is an initial bias for gates without a
            bias; or an argument is of the wrong kind.

    """

    has_cell_state = has_carousel = True
    gate_names: tuple[str, ...] = ("i", "o")
    packing: tuple[str, ...] = ("i", "o")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        block_size: int = 1,
        output_gate: bool = True,
        biased: Biased = "hidden",
        input_bias: float | Sequence[float] | None = None,
        output_bias: float | Sequence[float] | None = None,
        weight_range: float = 0.1,
        truncate_gates: bool = True,
    ) -> None:
        super().__init__(input_size, hidden_size)
        blocks = blocks_of(hidden_size, block_size)
        check_switch("output_gate", output_gate)
        check_switch("truncate_gates", truncate_gates)
        if biased not in get_args(Biased):
            raise ValueError(f"biased must be one of {', '.join(get_args(Biased))}; got {biased!r}")
        self.block_size = block_size
        self.output_gate = output_gate
        self.truncated = truncate_gates and output_gate
        if not output_gate:
            self.gate_names = self.packing = ("i",)  # this object has no output gate
        self.n_gates = len(self.gate_names) * blocks
        read = input_size + (hidden_size + self.n_gates if output_gate else 0)
        self.W = nn.Linear(read, self.n_gates, bias=biased != "none")
        self.U = nn.Linear(read, hidden_size, bias=biased == "hidden")
        draw((self.W, self.U), weight_range)
        start_gates(self, blocks, input_bias, output_bias)

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, (s, y))`` to ``(h', (s', y'))``."""
        m = self._read(x, state)
        y = torch.sigmoid(self.W(m))
        if not self.output_gate:
            s = state[1] + shared(y, self.block_size) * torch.sigmoid(self.U(m))
            return s, s
        i, o = shared(y, self.block_size).chunk(2, dim=-1)  # 2 × [B, H]
        s = state[1][0] + i * squash_input(self.U(m))
        h = o * squash_state(s)
        return h, (s, y)

    def initial_state(
        self, batch_size: int, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> State:
        """Return zeros."""
        h, s = super().initial_state(batch_size, device, dtype)
        return (h, (s, h.new_zeros(batch_size, self.n_gates))) if self.output_gate else (h, s)

    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return i and o, or only i, [B, blocks] each."""
        y = torch.sigmoid(self.W(self._read(x, state)))
        return dict(zip(self.gate_names, y.chunk(len(self.gate_names), dim=-1), strict=True))

    def direct_path(self, x: Tensor, state: State) -> Tensor | None:
        """Return 1: nothing is forgotten."""
        return x.new_ones(1)

    def recurrent_weights(self) -> dict[str, Tensor]:
        """Return the weights of the gates [blocks, H] and of the cell input ``g`` [H, H] that act on ``h``."""
        return connected(self.gate_names, self.W, self.U) if self.output_gate else {}

    def gate_bias(self, name: str) -> Tensor:
        """Return the biases of a gate, [blocks], as a view: writing into this tensor writes into the parameter.

        Raises:
            NoBiasError: the gates have no bias, because of ``biased="none"``.
            ValueError: there is no such gate.

        """
        if name not in self.gate_names:
            raise ValueError(f"there is no gate {name!r}, only {', '.join(self.gate_names)}")
        if self.W.bias is None:
            raise NoBiasError(f"gate {name!r} has no bias with biased='none'; 'gates' or 'hidden' give it one")
        return super().gate_bias(name)

    def _read(self, x: Tensor, state: State) -> Tensor:
        """Return what all units read, [B, H + 2·blocks + I]."""
        if not self.output_gate:
            return x
        h, (_, y) = state
        if self.truncated:
            h, y = h.detach(), y.detach()
        return torch.cat([h, y, x], dim=-1)
