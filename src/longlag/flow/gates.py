"""Figures of the gates of a cell on a batch, and the half-life of the memory that they imply."""

import math
from collections.abc import Mapping

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


def lane_gate_figures(gates: Mapping[str, Tensor], forget_gate: str | None, lengths: Tensor) -> list[dict[str, float]]:
    """Return the same figures for R runs whose gates are in the native kernel's layout.

    The sums go over the units first, so that no sum is so long that PyTorch would share it among threads.

    Args:
        gates: of all steps, by their names, [R, blocks, T, units, rows] each.
        forget_gate: the name of the gate whose geometric mean gives the half-life of the memory.
        lengths: the number of valid steps of each sequence, [R, B].

    """
    figures: list[dict[str, float]] = [{} for _ in lengths]
    for name, gate in gates.items():
        R, blocks, T, units, rows = gate.shape
        room = torch.nn.functional.pad(lengths, (0, blocks * rows - lengths.shape[1])).view(R, blocks, 1, rows)
        valid = torch.arange(T)[:, None] < room  # [R, blocks, T, rows]
        count = valid.flatten(1).sum(1).double() * units

        def mean(values: Tensor, valid: Tensor = valid, count: Tensor = count) -> list[float]:
            sums: list[float] = (values.sum(3).where(valid, 0).flatten(1).sum(1) / count).tolist()
            return sums

        def share(of: Tensor, dtype: torch.dtype = gate.dtype) -> list[float]:
            return mean(of.to(dtype))  # a sum of truth values takes many times as long

        columns = {f"gate_{name}": mean(gate)}
        columns[f"gate_{name}_shut"], columns[f"gate_{name}_open"] = share(gate < SHUT), share(gate > OPEN)
        if name == forget_gate:
            columns["memory_half_life"] = [half_life(math.exp(log)) for log in mean(gate.log())]
        for r, of_run in enumerate(figures):
            of_run |= {key: values[r] for key, values in columns.items()}
    return figures
