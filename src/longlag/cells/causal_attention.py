"""A transformer block as a cell: the memory holds every step so far."""

import math

import torch
from torch import Tensor, nn

from longlag.cells.cell import Cell, State
from longlag.checks import check_multiple, check_positive


class CausalAttentionCell(Cell):
    """A block of causal self-attention, one time step at a time: the contrast with a state of fixed size.

    ::

        u = E x + e + p(t)                   p: sinusoidal position, t = 0, 1, …: the length of the cache
        q, k, v = A LayerNorm(u) + a
        K' = [K; k],  V' = [V; v]            the cache, one row longer
        y = softmax(q K'ᵀ / √d) V'           for each head, of d = H / heads channels
        w = u + O y + o
        h' = w + MLP(LayerNorm(w))           MLP: H → 4H, GELU, 4H → H

    The cell forgets nothing, and the path from an output to any input is one step long, whatever the lag: no state has
    to carry the error. The price is a step whose cost grows with t; over T steps, time and the memory for the gradient
    grow with T².

    State: ``h`` [B, H], which a step does not read, and ``c`` = (K, V), [B, t, H] each, empty at the start.

    Source: Vaswani et al. 2017, sections 3.2 (attention) and 3.5 (positions); Xiong et al. 2020 for the normalisation
    before each part.

    Deviations: one block, without dropout; a linear map embeds the inputs, without scaling; GELU, where 2017 has a
    rectifier; no normalisation after the last block. The weights start as those of ``nn.Linear``.

    Args:
        input_size: I.
        hidden_size: H, a multiple of ``heads``.
        heads: the number of attention heads.

    Raises:
        ValueError: a size or ``heads`` is not a positive integer, or ``hidden_size`` is not a multiple of ``heads``.

    """

    has_cell_state = True

    def __init__(self, input_size: int, hidden_size: int, heads: int = 4) -> None:
        super().__init__(input_size, hidden_size)
        check_positive("heads", heads)
        check_multiple("hidden_size", hidden_size, "heads", heads)
        self.heads = heads
        self.E = nn.Linear(input_size, hidden_size)
        self.attention_norm = nn.LayerNorm(hidden_size)
        self.A = nn.Linear(hidden_size, 3 * hidden_size)
        self.O = nn.Linear(hidden_size, hidden_size)
        self.mlp_norm = nn.LayerNorm(hidden_size)
        self.mlp = nn.Sequential(
            nn.Linear(hidden_size, 4 * hidden_size), nn.GELU(), nn.Linear(4 * hidden_size, hidden_size)
        )

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, (K, V))``, [B, H] and [B, t, H] each, to the output and the longer cache."""
        K, V = state[1]
        u = self.E(x) + _position(K.shape[1], self.hidden_size, x)
        q, k, v = self.A(self.attention_norm(u)).unsqueeze(1).chunk(3, dim=-1)  # 3 × [B, 1, H]
        K, V = torch.cat([K, k], dim=1), torch.cat([V, v], dim=1)  # [B, t + 1, H]
        w = u + self.O(self._attended(q, K, V))
        return w + self.mlp(self.mlp_norm(w)), (K, V)

    def initial_state(
        self, batch_size: int, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> State:
        """Return zeros for ``h`` [B, H], and an empty cache [B, 0, H]."""
        h = torch.zeros(batch_size, self.hidden_size, device=device, dtype=dtype)
        empty = h.new_empty(batch_size, 0, self.hidden_size)
        return h, (empty, empty)

    def _attended(self, q: Tensor, K: Tensor, V: Tensor) -> Tensor:
        """Return the mean of the values, weighted by the match of key and query: [B, H]."""
        d = self.hidden_size // self.heads
        q, K, V = (part.view(*part.shape[:2], self.heads, d).transpose(1, 2) for part in (q, K, V))  # [B, heads, …, d]
        return nn.functional.scaled_dot_product_attention(q, K, V).flatten(1)


def _position(t: int, H: int, like: Tensor) -> Tensor:
    """Return sin and cos of t / 10000^(2j/H) in turn, j = 0, 1, …: [H], of the type and on the device of ``like``."""
    angle = t * torch.exp(torch.arange(0, H, 2, dtype=like.dtype, device=like.device) * (-math.log(10000) / H))
    return torch.stack([torch.sin(angle), torch.cos(angle)], dim=-1).flatten()[:H]
