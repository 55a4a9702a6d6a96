"""The mLSTM cell, whose memory is a matrix of keys and values."""

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from longlag.cells.cell import State
from longlag.cells.gated import GatedCell
from longlag.checks import check_multiple, check_positive


class MLSTMCell(GatedCell):
    """The LSTM cell with a matrix for a memory: a value is stored under a key and read by a query.

    ::

        i, f, o, q, k, v = W x + b           packed in this order; i and f one number per head
        m' = max(log σ(f) + m, i, 0)         stabiliser: no exponent below is positive
        i' = exp(i − m')
        f' = exp(log σ(f) + m − m')
        C' = f' C + i' v kᵀ / √d
        n' = f' n + i' k / √d                normaliser
        h' = σ(o) ⊙ C' q / max(|n'ᵀ q|, exp(−m'))

    in each head, with d = H/heads; the heads lie side by side in q, k, v and ``h``. m is only a scale: C exp(m) and
    n exp(m) are the C and n of the gates exp(i) and σ(f) themselves, and h' is what the formula gives for these with a
    1 in place of exp(−m').

    Nothing reads ``h``, so every path through time is direct, ∂C'/∂C = f', and the cell is equal to a masked attention
    over the sequence.

    State: ``h`` [B, H] and ``c = (C, n, m)`` with C [B, heads, d, d], n [B, heads, d] and m [B, heads], all zero at the
    start.

    Source: Beck et al. 2024, "xLSTM: Extended Long Short-Term Memory", section 2.3.

    Deviations: the stabiliser stops at 0, where that of the paper keeps falling while the gates are shut, until exp(−m)
    overflows; h' does not depend on it. The forget gate is the logistic of the two that the paper offers; 1/√d scales
    the bias of the key too; only the cell, without the convolution, the normalisation and the projections of the
    paper's block. The weights start as those of ``nn.Linear``, and the forget biases are all the same.

    Args:
        input_size: I.
        hidden_size: H.
        forget_bias: the initial bias of the forget gate of each head (a gate has no other bias).
        heads: the number of memories.

    Raises:
        ValueError: a size is not a positive integer, ``hidden_size`` is not a multiple of ``heads``, or ``forget_bias``
            is not a number.

    """

    has_cell_state = has_carousel = linear_in_state = True
    gate_names = ("i", "f", "o")
    forget_gate = "f"

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0, heads: int = 4) -> None:
        super().__init__(input_size, hidden_size)
        check_positive("heads", heads)
        check_multiple("hidden_size", hidden_size, "heads", heads)
        self.heads = heads
        self.head_size = hidden_size // heads
        self.parts = [heads, heads, hidden_size, 3 * hidden_size]  # the rows of W: i, f, o and q, k, v
        self.W = nn.Linear(input_size, sum(self.parts))
        self.start_forget_gate(forget_bias)

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, (C, n, m))`` to ``(h', (C', n', m'))``."""
        _, (C, n, m) = state
        i, f, o, qkv = torch.split(self.W(x), self.parts, dim=-1)
        q, k, v = qkv.view(-1, 3, self.heads, self.head_size).unbind(1)  # 3 × [B, heads, d]
        i, f, m = _stabilised(i, f, m)  # 3 × [B, heads]
        k = (i * self.head_size**-0.5).unsqueeze(-1) * k
        f = f.unsqueeze(-1)
        n = f * n + k
        C = f.unsqueeze(-1) * C + v.unsqueeze(-1) * k.unsqueeze(-2)  # [B, heads, d, d]
        read = (C * q.unsqueeze(-2)).sum(dim=-1)  # C q, [B, heads, d]
        norm = torch.maximum((n * q).sum(dim=-1).abs(), torch.exp(-m)).unsqueeze(-1)
        h = torch.sigmoid(o) * (read / norm).flatten(1)
        return h, (C, n, m)

    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return i' and σ(f), [B, heads] each, and σ(o) [B, H]."""
        i, f, o, _ = torch.split(self.W(x), self.parts, dim=-1)
        return {"i": _stabilised(i, f, state[1][2])[0], "f": torch.sigmoid(f), "o": torch.sigmoid(o)}

    def direct_path(self, x: Tensor, state: State) -> Tensor | None:
        """Return f', which multiplies C, [B, heads, 1, 1]."""
        i, f, _, _ = torch.split(self.W(x), self.parts, dim=-1)
        return _stabilised(i, f, state[1][2])[1][..., None, None]

    def gate_bias(self, name: str) -> Tensor:
        """Return the bias of a gate as a view: writing into this tensor writes into the parameter.

        The bias of the output gate has the shape [d, heads], so that one number for each head reaches all its units.
        """
        bias = torch.split(self.W.bias.detach(), self.parts)[self.gate_names.index(name)]
        return bias.view(self.heads, -1).T if name == "o" else bias

    def initial_state(
        self, batch_size: int, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> State:
        """Return zeros: ``h`` [B, H], C [B, heads, d, d], n [B, heads, d], m [B, heads]."""
        B, heads, d = batch_size, self.heads, self.head_size
        shapes = ((B, self.hidden_size), (B, heads, d, d), (B, heads, d), (B, heads))
        h, C, n, m = (torch.zeros(shape, device=device, dtype=dtype) for shape in shapes)
        return h, (C, n, m)


def _stabilised(i: Tensor, f: Tensor, m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return i', f' and m' for the pre-activations of the gates and the stabiliser m."""
    kept = logsigmoid(f) + m
    m = torch.maximum(kept, torch.relu(i))
    return torch.exp(i - m), torch.exp(kept - m), m
