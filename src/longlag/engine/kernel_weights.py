"""Weights in the form that the kernels of ``native`` and ``triton`` take, and what is checked of a call."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Packed(NamedTuple):
    """The weights of R cells of one shape, one cell after the other, and in each one gate after the other.

    Args:
        update: the name of the pointwise part; see :class:`longlag.engine.kernel_cells.KernelCell`.
        runs: R.
        hidden: H.
        weights: [R·G·H, Q·H + I], where Q is 1 + ``read``.
        biases: [R·G·H].
        peepholes: [R·P·H], or ``None``.
        cut: 1 if no error goes back through ``h`` and what is read with it; 2 if none goes back through the peepholes
            of the step before either.
        read: how many gates of all units the next step reads, after ``h``.
        block: the number of units that share their gates; the next step reads those of the first of them.
        reads_h: how many of the G gates, the first ones, read h.

    """

    update: str
    runs: int
    hidden: int
    weights: Tensor
    biases: Tensor
    peepholes: Tensor | None = None
    cut: int = 0
    read: int = 0
    block: int = 1
    reads_h: int = 0


def stacked(packs: Sequence[Packed], engine: str) -> Packed:
    """Return the weights of several runs as one.

    Args:
        packs: the weights of one run each.
        engine: the name of the engine, for the message.

    Raises:
        ValueError: they are not of one kind and shape.

    """
    first = packs[0]
    if len(packs) == 1:
        return first
    kinds = {(pack.update, pack.hidden, pack.weights.shape, pack.cut, pack.block) for pack in packs}
    if len(kinds) > 1:
        raise ValueError(f"engine={engine} runs cells of one kind and shape at once")
    weights, biases = (torch.cat([getattr(pack, name) for pack in packs]) for name in ("weights", "biases"))
    peepholes = [pack.peepholes for pack in packs if pack.peepholes is not None]
    return first._replace(
        runs=len(packs), weights=weights, biases=biases, peepholes=torch.cat(peepholes) if peepholes else None
    )


def blocks_to_units(gates: Tensor, block: int) -> Tensor:
    """Spread the gates of blocks [..., blocks] over units [..., blocks · block]: the first of a block gets its gate."""
    return gates if block == 1 else nn.functional.pad(gates[..., None], (0, block - 1)).flatten(-2)


def check_shapes(
    packed: Packed, x: Tensor, h0: Tensor | None, c0: Tensor | None, engine: str = "native", alone: bool = True
) -> None:
    """Check what the kernels do not check themselves.

    Args:
        packed: the weights.
        x: inputs.
        h0: the initial h and the gates that are read.
        c0: the initial memory.
        engine: the name of the engine.
        alone: whether its kernel takes a run without the axis of the runs.

    Raises:
        ValueError: a size, a type or a device is not the one that goes with the others.

    """
    R, H, weights = packed.runs, packed.hidden, packed.weights
    read_of_units = (1 + packed.read) * H
    shape, inputs = x.shape, weights.shape[1] - read_of_units
    one = alone and R == 1 and len(shape) != 4
    if len(shape) != 4 - one or shape[-1] != inputs or shape[-2] == 0 or (not one and shape[0] != R):
        wanted = f"[{'' if one else f'R={R}, '}B, T, I={inputs}]"
        raise ValueError(f"engine={engine} wants inputs {wanted} of at least one step; got {[*shape]}")
    for start, units in ((h0, read_of_units), (c0, H)):
        if start is not None and start.shape != (*shape[:-2], units):
            size = f"H={H}" if units == H else f"H + gates={units}"
            wanted = f"[{'' if one else f'R={R}, '}B={shape[-3]}, {size}]"
            raise ValueError(f"engine={engine} wants states {wanted}; got {[*start.shape]}")
    dtype, device = x.dtype, x.device
    for array in (weights, packed.biases, packed.peepholes, h0, c0):
        if array is not None and (array.dtype is not dtype or array.device != device):
            raise ValueError(
                f"engine={engine} wants inputs, states and weights of one type on one device; "
                f"got {dtype} on {device} and {array.dtype} on {array.device}"
            )


def check_one_derivative(engine: str) -> None:
    """Check on the way back that no second derivative is asked for: the first one would count as a constant.

    Raises:
        RuntimeError: it is.

    """
    if torch.is_grad_enabled():
        raise RuntimeError(f"engine={engine} has no second derivative, as create_graph=True wants it; engine=eager has")
