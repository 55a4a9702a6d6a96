"""The Triton kernels as one PyTorch operation with its gradient: R models of one shape, over all steps."""

from typing import Any

import torch
import triton
from torch import Tensor

from longlag.engine.kernel_weights import Packed, check_one_derivative, check_shapes
from longlag.engine.triton.kernels import backward_kernel, forward_kernel

_LEAST = 16  # a product of tiles takes at least so many rows and columns


def unroll_packed(packed: Packed, x: Tensor, h0: Tensor | None, c0: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Run R cells over their sequences.

    Args:
        packed: the cells.
        x: inputs [R, B, T, I].
        h0: the initial h and the Q − 1 gates that are read, [R, B, Q·H]; ``None`` for zeros.
        c0: the initial memory, [R, B, H]; ``None`` for zeros.

    Returns:
        h of all steps [R, B, T, H], and the last h [R, B, Q·H] and c [R, B, H]; for a cell without a cell state, c is
        h.

    Raises:
        ValueError: a size, a type or a device is not the one that goes with the others.

    """
    check_shapes(packed, x, h0, c0, engine="triton", alone=False)
    R, B, H = packed.runs, x.shape[1], packed.hidden
    h0 = x.new_zeros(R, B, (1 + packed.read) * H) if h0 is None else h0
    c0 = x.new_zeros(R, B, H) if c0 is None else c0
    with torch.autocast(x.device.type, enabled=False):
        outputs: tuple[Tensor, Tensor, Tensor] = _Unroll.apply(  # type: ignore[no-untyped-call]
            x, h0, c0, packed.weights, packed.biases, packed.peepholes, packed
        )
    return outputs


class _Unroll(torch.autograd.Function):
    """The kernels, forward and backward."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        h0: Tensor,
        c0: Tensor,
        weights: Tensor,
        biases: Tensor,
        peepholes: Tensor | None,
        packed: Packed,
    ) -> tuple[Tensor, Tensor, Tensor]:
        R, B, T, _ = x.shape
        H, K = packed.hidden, weights.shape[1]
        G = len(weights) // (R * H)
        weights, peepholes = weights.contiguous(), biases if peepholes is None else peepholes.contiguous()
        Q = 1 + packed.read
        rows = x.transpose(1, 2).reshape(R, T * B, K - Q * H)
        of_x = weights.view(R, G * H, K)[..., Q * H :]
        h0, y0 = h0[..., :H], _by_gate(h0[..., H:], H, packed.read)
        z = torch.baddbmm(biases.view(R, 1, G * H), rows, of_x.mT).view(R, T, B, G, H)
        h, c = (torch.cat([state[:, None], x.new_empty(R, T, B, H)], dim=1) for state in (h0, c0))
        constants, options = built(packed, G)
        forward_kernel[triton.cdiv(B, _LEAST), R](
            z, weights, peepholes, h, c, y0, *(T, B, H, K), **constants, **options
        )
        ctx.packed = packed
        ctx.save_for_backward(rows, weights, peepholes, z, h, c, y0)
        h_end = torch.cat([h[:, -1], z[:, -1, :, : Q - 1].sigmoid().flatten(2)], dim=-1)
        return h[:, 1:].transpose(1, 2), h_end, c[:, -1].clone()

    @staticmethod
    def backward(ctx: Any, d_out: Tensor, d_h: Tensor, d_c: Tensor) -> tuple[Tensor | None, ...]:
        check_one_derivative("triton")
        with torch.autocast(d_out.device.type, enabled=False):
            return *_gradients(ctx, d_out, d_h, d_c), None


def _gradients(ctx: Any, d_out: Tensor, d_h: Tensor, d_c: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of inputs, initial states and weights."""
    rows, weights, peepholes, z, h, c, y0 = ctx.saved_tensors
    R, T, B, G, H = z.shape
    K, packed = weights.shape[1], ctx.packed
    Q = 1 + packed.read
    # copies, so that a second backward pass reads the same values; dense, as the kernel assumes
    d_z, d_c, d_y = z.clone(), d_c.clone(memory_format=torch.contiguous_format), _by_gate(d_h[..., H:], H, packed.read)
    d_h = d_h[..., :H].clone(memory_format=torch.contiguous_format)
    back = d_out.transpose(1, 2).contiguous()
    constants, options = built(packed, G)
    backward_kernel[triton.cdiv(B, _LEAST), R](
        d_z, weights, peepholes, c, back, d_h, d_c, d_y, *(T, B, H, K), CUT=bool(packed.cut), **constants, **options
    )
    d_h = torch.cat([d_h, d_y.transpose(1, 2).flatten(2)], dim=-1)
    flat = d_z.view(R, T * B, G * H)
    gates = torch.cat([y0.transpose(1, 2)[:, None], z[:, :-1, :, : Q - 1].sigmoid()], dim=1)  # [R, T, B, Q - 1, H]
    read = torch.cat([h[:, :-1].reshape(R, T * B, H), gates.reshape(R, T * B, (Q - 1) * H), rows], dim=2)
    d_weights = torch.bmm(flat.mT, read).view(R * G * H, K)
    d_biases = flat.sum(1).view(R * G * H)
    d_x = torch.bmm(flat, weights.view(R, G * H, K)[..., Q * H :]).view(R, T, B, K - Q * H).transpose(1, 2)
    d_peepholes = None
    if packed.peepholes is not None:
        seen = torch.stack([c[:, :-1], c[:, :-1], c[:, 1:]], dim=3)  # by the gates i, f and o, [R, T, B, 3, H]
        d_peepholes = (d_z[:, :, :, [0, 1, 3]] * seen).sum((1, 2)).view(-1)
    return d_x, d_h, d_c, d_weights, d_biases, d_peepholes


def _by_gate(gates: Tensor, hidden: int, count: int) -> Tensor:
    """Return a dense copy [R, READ, B, H] of the gates [R, B, READ·H] that are read."""
    R, B, _ = gates.shape
    return gates.reshape(R, B, count, hidden).transpose(1, 2).clone(memory_format=torch.contiguous_format)


def built(packed: Packed, gates: int) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the constants of the kernels, and the options of the compiler, by which 128 units fit 99 KB.

    Args:
        packed: the cells.
        gates: G.

    """
    units = max(_LEAST, triton.next_power_of_2(packed.hidden))
    constants = {"CELL": packed.update, "G": gates, "OF_H": packed.reads_h, "READ": packed.read}
    constants |= {"ROWS": _LEAST, "UNITS": units, "P": 0 if packed.peepholes is None else 3}
    return constants, {"num_stages": 1, "num_warps": 4 if units <= 32 else 8}
