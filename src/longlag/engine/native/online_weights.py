"""How on-line learning lays out the weights of a model: where each number of its parameters stands.

A kernel's weights are made from the parameters of a cell by copying: the gates of a block, for instance, are those of
each of its cells. Packing a cell whose parameters are their own numbers, 1, 2, …, tells which parameter stands where.
"""

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from longlag.engine.kernel_cells import packed


class Shape(NamedTuple):
    """The weights of one run, [W] in all: rows, then peepholes [H, P], readout [O, H], its biases [O], shortcut [O, I].

    A row gives a pre-activation. It reads some columns of [h, gates that are read, 1, x].
    """

    spans: Tensor
    """How many rows read which columns, from and to: [groups, 3]."""
    rows_of: Tensor
    """The row of each gate of a unit, [H, G]; the units of a block share rows."""
    read_of: Tensor
    """The unit and the gate of each gate that is read at the next step, [Y, 2]."""
    size: int
    """W."""
    places: Tensor
    """The place of each number of the model's parameters, in their order."""
    fixed: Tensor
    """The places of weights that never change: those that are no parameter's, and those of frozen parameters."""


def shape_of(cell: Any, readout: nn.Linear, shortcut: nn.Linear | None = None) -> Shape:
    """Return how the weights of a cell, its readout and the shortcut from the inputs are laid out."""
    of_shortcut = [] if shortcut is None else list(shortcut.parameters())
    parameters = [*cell.parameters(), *readout.parameters(), *of_shortcut]
    count = sum(parameter.numel() for parameter in cell.parameters())
    rows, rows_of, read_of, peepholes = _numbered(cell)
    C = rows.shape[1]  # columns
    x = C - cell.input_size
    begins = torch.where((rows[:, : x - 1] > 0).any(1), 0, x - 1)
    ends = torch.where((rows[:, x:] > 0).any(1), C, x)
    spans, group = torch.unique(torch.stack([begins, ends], dim=1), dim=0, return_inverse=True)
    order = torch.argsort(group, stable=True)
    numbers = torch.cat([*(rows[row, begins[row] : ends[row]] for row in order), peepholes])
    of_readout = count + 1 + torch.arange(readout.weight.numel() + readout.out_features)
    if readout.bias is None:
        of_readout[readout.weight.numel() :] = 0
    last = sum(parameter.numel() for parameter in parameters)
    beyond = sum(parameter.numel() for parameter in of_shortcut)
    by_input = (torch.arange(last - beyond, last) + 1).view(-1, cell.input_size).T.flatten()
    numbers = torch.cat([numbers, of_readout, by_input])  # [W]: which parameter stands there, 0 for none
    places = torch.empty(last, dtype=torch.int64)
    there = numbers.nonzero().squeeze(1)
    places[numbers[there] - 1] = there
    frozen = torch.cat([torch.full((p.numel(),), not p.requires_grad) for p in parameters])
    fixed = torch.cat([(numbers == 0).nonzero().squeeze(1), places[frozen]])
    sizes = torch.bincount(group, minlength=len(spans))
    return Shape(
        torch.cat([sizes[:, None], spans], dim=1), torch.argsort(order)[rows_of], read_of, len(numbers), places, fixed
    )


def _numbered(cell: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return what stands where in the weights of a cell, as numbers of its parameters from 1 on, 0 for none.

    Returns:
        The different rows [N, C], over [h, gates that are read, 1, x], h only if any row reads it; the row of each gate
        of a unit [H, G]; the unit and the gate of each that is read [Y, 2]; and the peepholes [H · P].

    """
    numbered, start = copy.deepcopy(cell).double(), 1
    with torch.no_grad():
        for parameter in numbered.parameters():
            parameter.copy_(torch.arange(start, start + parameter.numel()).view_as(parameter))
            start += parameter.numel()
        pack = packed(numbered)
    H, weights, biases = pack.hidden, pack.weights.long(), pack.biases.long()
    of_h, *of_gates = torch.split(weights[:, : (1 + pack.read) * H], H, dim=1)
    of_x = weights[:, (1 + pack.read) * H :]
    if not of_h.any():
        of_h = of_h[:, :0]
    read_of = [(unit, gate) for gate in range(pack.read) for unit in range(H) if of_gates[gate][:, unit].any()]
    gates = [of_gates[gate][:, unit] for unit, gate in read_of]
    rows = torch.cat([of_h, *(gate[:, None] for gate in gates), biases[:, None], of_x], dim=1)
    rows, rows_of = torch.unique(rows, dim=0, return_inverse=True)
    peepholes = torch.empty(0) if pack.peepholes is None else pack.peepholes.view(-1, H).T.flatten()
    return rows, rows_of.view(-1, H).T, torch.tensor(read_of, dtype=torch.int64).view(-1, 2), peepholes.long()
