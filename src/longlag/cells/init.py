"""Ways to start the forget gates of a cell with other biases than one constant.

Each is a function that takes any :class:`~longlag.cells.gated.GatedCell` with a forget gate and overwrites the biases
that the constructor of the cell has set. Random biases come from torch's global generator, as all initial weights do.
"""

import torch
from torch import Tensor

from longlag.cells.gated import GatedCell
from longlag.checks import check_integer, check_number


class Staggered:
    """Forget biases that rise from block to block, from ``first`` to ``last`` in equal steps.

    Independent input and output gates start with the negative bias: training then takes the blocks into use one after
    the other, and they do not all store the same thing. In a cell without blocks every unit is a block.

    Source: Gers, Schmidhuber & Cummins 2000, the continual embedded Reber grammar: four blocks, 0.5, 1.0, 1.5 and 2.0.

    Args:
        first: the forget bias of the first block.
        last: the forget bias of the last block.

    Raises:
        ValueError: ``first`` or ``last`` is not a number.

    """

    def __init__(self, first: float, last: float) -> None:
        for name, value in (("first", first), ("last", last)):
            check_number(name, value)
        self.first = first
        self.last = last

    def __call__(self, cell: GatedCell) -> None:
        """Start the gates of ``cell``."""
        bias = torch.linspace(self.first, self.last, _forget_bias(cell).numel())
        cell.start_forget_gate(bias)
        for name in ("i", "o"):
            if name in cell.gate_names:
                cell.gate_bias(name).copy_(-bias)


class Chrono:
    """Forget biases for lags up to ``T_max``: b_f ~ log U[1, T_max − 1], and b_i = −b_f.

    A unit with bias b_f forgets over about 1 + exp(b_f) steps, so the units together cover all times up to ``T_max``.

    Source: Tallec & Ollivier 2018 (chrono initialization) for the LSTM; a single gate, such as
    that of a GRU, gets the same b_f.

    Args:
        T_max: the longest lag expected, in steps; at least 2.

    Raises:
        ValueError: ``T_max`` is not an integer of at least 2.

    """

    def __init__(self, T_max: int) -> None:
        check_integer("T_max", T_max, 2)
        self.T_max = T_max

    def __call__(self, cell: GatedCell) -> None:
        """Start the gates of ``cell``."""
        bias = _forget_bias(cell)
        drawn = torch.empty(bias.shape).uniform_(1, self.T_max - 1).log_()
        cell.start_forget_gate(drawn)
        if "i" in cell.gate_names:
            cell.gate_bias("i").copy_(-drawn)


class Uniform:
    """Forget gates that start uniform: b_f = −log(1/u − 1) with u ~ U[1/H, 1 − 1/H], so that σ(b_f) = u.

    With a refine gate, whose bias starts as −b_f, this is the initialisation of the UR-LSTM.

    Source: Gu, Gulcehre, Paine, Hoffman & Pascanu 2020 (uniform gate initialization).
    """

    def __call__(self, cell: GatedCell) -> None:
        """Start the gates of ``cell``.

        Raises:
            ValueError: the cell has a single unit, for which the interval is empty.

        """
        bias = _forget_bias(cell)
        H = cell.hidden_size
        if H < 2:
            raise ValueError("uniform gates need at least two hidden units")
        drawn = torch.logit(torch.empty(bias.shape).uniform_(1 / H, 1 - 1 / H))
        cell.start_forget_gate(drawn)
        if cell.refine_gate is not None:
            cell.gate_bias(cell.refine_gate).copy_(-drawn)


def _forget_bias(cell: GatedCell) -> Tensor:
    """Return the bias of the forget gate.

    Raises:
        ValueError: the cell has no forget gate.

    """
    gate: str | None = getattr(cell, "forget_gate", None)
    if gate is None:
        raise ValueError(f"{type(cell).__name__} has no forget gate; init needs a longlag.cells.GatedCell with one")
    return cell.gate_bias(gate)
