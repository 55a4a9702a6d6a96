"""The Triton kernels as one operation of PyTorch's: R models of one shape, over all steps, with its gradient."""

from typing import Any

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from longlag.engine.packed import Packed, check_shapes
from longlag.engine.triton.kernels import backward_kernel, forward_kernel

_LEAST = 16  # rows and columns that a product of tiles takes


def unroll_packed(packed: Packed, x: Tensor, h0: Tensor | None, c0: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Run R cells over their sequences.

    Args:
        packed: the cells.
        x: inputs [R, B, T, I].
        h0: where to start [R, B, H], ``None`` for zeros.
        c0: likewise.

    Returns:
        h of all steps [R, B, T, H], and the last h and c [R, B, H]; for a cell without a cell state that c is h.

    Raises:
        ValueError: a size, a type or a device is not the one that goes with the others.

    """
    check_shapes(packed, x, h0, c0, engine="triton", alone=False)
    start = x.new_zeros(packed.runs, x.shape[1], packed.hidden)
    h0, c0 = (start if state is None else state for state in (h0, c0))
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
        rows = x.transpose(1, 2).reshape(R, T * B, K - H)
        of_x = weights.view(R, G * H, K)[..., H:]
        z = torch.baddbmm(biases.view(R, 1, G * H), rows, of_x.mT).view(R, T, B, G, H)
        h, c = (torch.cat([state[:, None], x.new_empty(R, T, B, H)], dim=1) for state in (h0, c0))
        constants, options = built(packed.update, G, packed.peepholes is not None, H)
        forward_kernel[triton.cdiv(B, _LEAST), R](z, weights, peepholes, h, c, *(T, B, H, K), **constants, **options)
        ctx.packed = packed
        ctx.save_for_backward(rows, weights, peepholes, z, h, c)
        return h[:, 1:].transpose(1, 2), h[:, -1].clone(), c[:, -1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor, d_h: Tensor, d_c: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast(d_out.device.type, enabled=False):
            return *_gradients(ctx, d_out, d_h, d_c), None


def _gradients(ctx: Any, d_out: Tensor, d_h: Tensor, d_c: Tensor) -> tuple[Tensor | None, ...]:
    """Return the gradients of inputs, initial states and weights."""
    rows, weights, peepholes, z, h, c = ctx.saved_tensors
    R, T, B, G, H = z.shape
    K = weights.shape[1]
    # copies, so that a second way back finds all as it was; dense, as the kernel takes them to be
    d_z, d_h, d_c = (part.clone(memory_format=torch.contiguous_format) for part in (z, d_h, d_c))
    back = d_out.transpose(1, 2).contiguous()
    peeps = ctx.packed.peepholes is not None
    constants, options = built(ctx.packed.update, G, peeps, H)
    cut = bool(ctx.packed.cut)
    backward_kernel[triton.cdiv(B, _LEAST), R](
        d_z, weights, peepholes, c, back, d_h, d_c, *(T, B, H, K), CUT=cut, **constants, **options
    )
    flat = d_z.view(R, T * B, G * H)
    read = torch.cat([h[:, :-1].reshape(R, T * B, H), rows], dim=2)
    d_weights = torch.bmm(flat.mT, read).view(R * G * H, K)
    d_biases = flat.sum(1).view(R * G * H)
    d_x = torch.bmm(flat, weights.view(R, G * H, K)[..., H:]).view(R, T, B, K - H).transpose(1, 2)
    d_peepholes = None
    if peeps:
        seen = torch.stack([c[:, :-1], c[:, :-1], c[:, 1:]], dim=3)  # by the gates i, f and o, [R, T, B, 3, H]
        d_peepholes = (d_z[:, :, :, [0, 1, 3]] * seen).sum((1, 2)).view(-1)
    return d_x, d_h, d_c, d_weights, d_biases, d_peepholes


def built(update: str, gates: int, peepholes: bool, hidden: int) -> tuple[dict[str, Any], dict[str, int]]:
    """Return the constants of the kernels, and the options with which they are built: so that 128 units fit 99 KB.

    Args:
        update: the pointwise part, by its name.
        gates: G.
        peepholes: whether there are any.
        hidden: H.

    """
    units = max(_LEAST, triton.next_power_of_2(hidden))
    of_h = 3 if update == "Gru" else gates
    constants = {"CELL": update, "G": gates, "OF_H": of_h, "P": 3 if peepholes else 0, "ROWS": _LEAST, "UNITS": units}
    return constants, {"num_stages": 1, "num_warps": 4 if units <= 32 else 8}
