"""The contract of a cell with gates: their names, values and biases."""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from longlag.cells.cell import Cell, State
from longlag.checks import check_number


class NoBiasError(ValueError):
    """The gates of a cell have no bias."""


class GatedCell(Cell):
    """A cell with gates.

    - ``gate_names``: its gates. A gate called ``i`` is an independent input gate: it multiplies what the step adds to
      the memory. A gate called ``o`` is an output gate: it multiplies ``h``.
    - ``forget_gate``: the name of the gate that multiplies the memory, so that 1 keeps it, or ``None``. A cell with a
      forget gate takes ``forget_bias`` in its constructor; ``longlag.cells.init`` has other ways to start the gate.
    - ``refine_gate``: the name of a gate that bends the forget gate (Gu et al. 2020), or ``None``.
    - ``packing``: the gates and candidates in the rows of ``nn.Linear`` ``W``, in equal parts; a cell whose gates lie
      elsewhere overrides ``gate_bias``.
    """

    gate_names: tuple[str, ...] = ()
    forget_gate: ClassVar[str | None] = None
    refine_gate: ClassVar[str | None] = None
    packing: tuple[str, ...] = ()
    W: nn.Linear

    @abstractmethod
    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return the gates of the step from ``state`` with input ``x`` [B, I]: name -> values in [0, 1], [B, …].

        These are the values that act in the step, after the cell has normalised them. If the cell keeps its memory on a
        separate scale, the forget gate is the factor of the memory itself, and the input gate acts on that scale.
        """

    def gate_bias(self, name: str) -> Tensor:
        """Return the bias of a gate as a view: writing into this tensor writes into the parameter.

        Raises:
            NoBiasError: the gates have no bias.
            ValueError: there is no such gate.

        """
        if name not in self.packing:
            raise ValueError(f"{type(self).__name__}.packing is {self.packing}: no gate {name!r}")
        if self.W.bias is None:
            raise NoBiasError(f"the gates of this {type(self).__name__} have no bias")
        return self.W.bias.detach().view(len(self.packing), -1)[self.packing.index(name)]

    def start_forget_gate(self, bias: float | Tensor) -> None:
        """Set the initial bias of the forget gate: one number for all units, or one for each.

        Without input the gate is then σ(bias), whatever else the cell computes it from.

        Raises:
            ValueError: the bias is not a number.

        """
        if not isinstance(bias, Tensor):
            check_number("forget_bias", bias)
        assert self.forget_gate is not None
        self.gate_bias(self.forget_gate).copy_(torch.as_tensor(bias))

    def direct_path(self, x: Tensor, state: State) -> Tensor | None:
        """Return the forget gate; see :meth:`Cell.direct_path`."""
        return None if self.forget_gate is None else self.gates(x, state)[self.forget_gate]

    def recurrent_weights(self) -> dict[str, Tensor]:
        """Return the parts of ``W`` that act on ``h``, if it acts on ``[h, x]``; see :meth:`Cell.recurrent_weights`."""
        if not self.packing or self.W.in_features != self.hidden_size + self.input_size:
            return {}
        parts = self.W.weight[:, : self.hidden_size].chunk(len(self.packing))
        return dict(zip(self.packing, parts, strict=True))
