"""The sLSTM cell, an LSTM with an exponential input gate and a normaliser."""

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from longlag.cells.cell import State
from longlag.cells.gated import GatedCell
from longlag.checks import check_multiple, check_positive


class SLSTMCell(GatedCell):
    """The LSTM cell whose input gate is exponential, so that a new input can outweigh everything stored.

    ::

        i, f, g, o = W [h, x] + b            pre-activations, packed in this order
        m' = max(log σ(f) + m, i)            stabiliser: no exponent below is positive
        i' = exp(i − m')
        f' = exp(log σ(f) + m − m')
        c' = f' ⊙ c + i' ⊙ tanh(g)
        n' = f' ⊙ n + i'                     normaliser
        h' = σ(o) ⊙ c' / n'

    m is only a scale: c exp(m) and n exp(m) are the c and n of the gates exp(i) and σ(f) themselves, and m cancels from
    h'. The quotient is a weighted mean of the past tanh(g). A forget gate below 1 does not change this mean as long as
    no input comes in: the input gate is relative to what is stored, and i' = 1 means that the input outweighs it. Along
    the direct path ∂c'/∂c = f', which is 1 where the input gate is the smaller one.

    The heads share the input, but not ``h``: each recurrent connection stays within its head.

    State: ``h`` [B, H] and ``c = (c, n, m)``, [B, H] each. All are zero at the start but m, which is the lowest number
    of its type and stands for log 0. The first step then has i' = n' = 1 and h' = σ(o) ⊙ tanh(g) whatever the input
    gate, and n never falls below 1 afterwards. With m = 0 a shut input gate would give 0/0. −∞ would do the same as the
    lowest number, but the finite differences of a gradient check would be NaN.

    Source: Beck et al. 2024, "xLSTM: Extended Long Short-Term Memory", section 2.2.

    Deviations: the forget gate is the logistic of the two that the paper offers; only the cell, without the
    convolution, the normalisation and the projections of the paper's block. The weights start as those of
    ``nn.Linear``, and the forget biases are all the same.

    Args:
        input_size: I.
        hidden_size: H.
        forget_bias: the initial bias of the forget gate (the gate has no other bias).
        heads: the number of blocks of the recurrent weights; 1 connects all units with each other.

    Raises:
        ValueError: a size is not a positive integer, ``hidden_size`` is not a multiple of ``heads``, or ``forget_bias``
            is not a number.

    """

    has_cell_state = has_carousel = True
    gate_names = ("i", "f", "o")
    forget_gate = "f"
    packing = ("i", "f", "g", "o")

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0, heads: int = 1) -> None:
        super().__init__(input_size, hidden_size)
        check_positive("heads", heads)
        check_multiple("hidden_size", hidden_size, "heads", heads)
        self.heads = heads
        # a unit reads the h of its head only, hence hidden_size // heads columns
        self.W = nn.Linear(hidden_size // heads + input_size, 4 * hidden_size)
        self.start_forget_gate(forget_bias)

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and ``(h, (c, n, m))``, [B, H] each, to ``(h', (c', n', m'))``."""
        h, (c, n, m) = state
        i, f, g, o = self._pre_activations(x, h)
        i, f, m = _stabilised(i, f, m)
        c = f * c + i * torch.tanh(g)
        n = f * n + i
        h = torch.sigmoid(o) * (c / n)
        return h, (c, n, m)

    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return i', σ(f) and σ(o), [B, H] each."""
        h, (_, _, m) = state
        i, f, _, o = self._pre_activations(x, h)
        return {"i": _stabilised(i, f, m)[0], "f": torch.sigmoid(f), "o": torch.sigmoid(o)}

    def direct_path(self, x: Tensor, state: State) -> Tensor | None:
        """Return f', which multiplies c, [B, H]."""
        h, (_, _, m) = state
        i, f, _, _ = self._pre_activations(x, h)
        return _stabilised(i, f, m)[1]

    def recurrent_weights(self) -> dict[str, Tensor]:
        """Return the weights of gates and candidate that act on ``h``, [H, H]: a diagonal block for each head."""
        by_head = self.W.weight[:, : -self.input_size].view(4, self.heads, -1, self.hidden_size // self.heads)
        blocks = (torch.block_diag(*heads) for heads in by_head)  # type: ignore[no-untyped-call]
        return dict(zip(self.packing, blocks, strict=True))

    def initial_state(
        self, batch_size: int, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> State:
        """Return zeros for ``h``, c and n and the lowest number for m, [B, H] each."""
        zeros = torch.zeros(batch_size, self.hidden_size, device=device, dtype=dtype)
        return zeros, (zeros, zeros, torch.full_like(zeros, torch.finfo(zeros.dtype).min))

    def _pre_activations(self, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
        if self.heads == 1:
            parts: tuple[Tensor, ...] = self.W(torch.cat([h, x], dim=-1)).chunk(4, dim=-1)  # 4 × [B, H]
            return parts
        h = h.reshape(-1, self.heads, self.hidden_size // self.heads)  # [B, heads, H/heads]
        seen = torch.cat([h, x.unsqueeze(1).expand(-1, self.heads, -1)], dim=-1)  # [B, heads, H/heads + I]
        weight = self.W.weight.view(4, self.heads, h.shape[-1], -1)
        units = torch.einsum("gnjk,bnk->gbnj", weight, seen).flatten(-2)  # [4, B, H]
        return (units + self.W.bias.view(4, 1, -1)).unbind()


def _stabilised(i: Tensor, f: Tensor, m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return i', f' and m' for the pre-activations of the gates and the stabiliser m."""
    kept = logsigmoid(f) + m
    m = torch.maximum(kept, i)
    return torch.exp(i - m), torch.exp(kept - m), m
