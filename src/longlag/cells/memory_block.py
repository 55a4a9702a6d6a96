"""The common parts of the memory-cell blocks of 1997 and 2000: squashing functions, shared gates, initial weights."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from longlag.cells.gated import GatedCell
from longlag.checks import check_multiple, check_number, check_positive, is_number


def squash_input(net: Tensor) -> Tensor:
    """Return g(net) = 4σ(net) − 2, in (−2, 2), in a form in which small values lose no digits."""
    return 2 * torch.tanh(net / 2)


def squash_state(s: Tensor) -> Tensor:
    """Return h(s) = 2σ(s) − 1, in (−1, 1)."""
    return torch.tanh(s / 2)


def shared(gates: Tensor, block_size: int) -> Tensor:
    """Give the gates of each block [B, blocks] to all its cells [B, blocks × block_size]."""
    return gates if block_size == 1 else gates.repeat_interleave(block_size, dim=-1)


def blocks_of(hidden_size: int, block_size: int) -> int:
    """Return the number of blocks.

    Raises:
        ValueError: ``hidden_size`` is not a multiple of ``block_size``.

    """
    check_positive("block_size", block_size)
    check_multiple("hidden_size", hidden_size, "block_size", block_size)
    return hidden_size // block_size


def draw(layers: Iterable[nn.Linear], weight_range: float) -> None:
    """Draw all weights and biases from U[−weight_range, weight_range].

    Raises:
        ValueError: ``weight_range`` is not a positive number.

    """
    check_number("weight_range", weight_range, 0, above=True)
    for layer in layers:
        for parameter in layer.parameters():
            nn.init.uniform_(parameter, -weight_range, weight_range)


def connected(gate_names: Sequence[str], W: nn.Linear, U: nn.Linear) -> dict[str, Tensor]:
    """Return the weights that act on ``h``, the first columns: of the gates in ``W``, of the cell input in ``U``."""
    H = U.out_features
    parts = W.weight[:, :H].chunk(len(gate_names))
    return {**dict(zip(gate_names, parts, strict=True)), "g": U.weight[:, :H]}


def start_gates(
    cell: GatedCell,
    blocks: int,
    input_bias: float | Sequence[float] | None,
    output_bias: float | Sequence[float] | None,
) -> None:
    """Set the initial biases of the input and output gates; ``None`` leaves the biases as they were drawn.

    Raises:
        ValueError: a bias is neither a number nor a list of one number for each block, or the cell has no such gate or
            no bias.

    """
    for gate, name, bias in (("i", "input_bias", input_bias), ("o", "output_bias", output_bias)):
        if bias is not None:
            cell.gate_bias(gate).copy_(_bias_a_block(name, bias, blocks))


def _bias_a_block(name: str, bias: float | Sequence[float], blocks: int) -> Tensor:
    """Return the initial biases of a gate, [blocks]: the same for all blocks, or one for each.

    Raises:
        ValueError: ``bias`` is neither a number nor a list of one number for each block.

    """
    if is_number(bias):
        return torch.tensor(bias).expand(blocks)
    listed = isinstance(bias, Sequence) and len(bias) == blocks and all(map(is_number, bias))
    if not listed:
        raise ValueError(f"{name} must be a number or a list of {blocks}, one for each block, got {bias!r}")
    return torch.tensor(bias)
