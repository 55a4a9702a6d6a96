"""Figures of the gates of a cell on a batch, and the half-life of the memory that they imply."""

import math

import torch
from torch import Tensor

from longlag.flow.decay import half_life
from longlag.flow.tape import Tape

#: A gate is called shut below the first and open above the second.
SHUT, OPEN = 0.1, 0.9


def gate_figures(tape: Tape, lengths: Tensor) -> dict[str, float]:
    """Return figures of the gates, over all valid steps of all sequences and all units.

    Args:
        tape: the recorded run of a layer.
        lengths: the number of valid steps of each sequence, [B].

    Returns:
        For each gate its mean as ``gate_NAME``, and the shares of values below ``SHUT`` and above ``OPEN`` as
        ``gate_NAME_shut`` and ``gate_NAME_open``: there its gradient is small. ``memory_half_life``, in
        steps, is ln ½ / ln f with f the geometric mean of the forget gates. Empty for a cell without gates.

    """
    L = tape.inputs.shape[1]
    valid = torch.arange(L, device=lengths.device)[:, None] < lengths  # [L, B]
    whole = bool(valid.all())
    figures: dict[str, float] = {}
    for name, gate in tape.gates.items():
        values = gate if whole else gate[valid]
        figures[f"gate_{name}"] = values.mean().item()
        figures[f"gate_{name}_shut"] = (values < SHUT).sum().item() / values.numel()
        figures[f"gate_{name}_open"] = (values > OPEN).sum().item() / values.numel()
        if name == getattr(tape.cell, "forget_gate", None):
            figures["memory_half_life"] = half_life(math.exp(values.log().mean().item()))
    return figures
