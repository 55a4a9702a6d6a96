"""The contract of a cell with gates: which they are, what they say, and where their biases lie."""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from longlag.bounds import check_number
from longlag.cells.cell import Cell, State


class NoBiasError(ValueError):
    """The gates of a cell have no bias."""


class GatedCell(Cell):
    """A cell with gates.

    - ``gate_names``: its gates. One called ``i`` is an input gate of its own, by which what is added to the memory is
      multiplied; one called ``o`` an output gate, by which ``h`` is.
    - ``forget_gate``: the name of the gate by which the memory is multiplied, so that 1 keeps it; ``None`` if there is
      none. If there is one, the constructor takes ``forget_bias``, and ``longlag.cells.init`` has other ways to start.
    - ``refine_gate``: the name of a gate that bends the forget gate (Gu et al. 2020), ``None`` if there is none.
    - ``packing``: what the rows of ``nn.Linear`` ``W`` are, in equal parts; a cell whose gates lie elsewhere overrides
      ``gate_bias``.
    """

    gate_names: tuple[str, ...] = ()
    forget_gate: ClassVar[str | None] = None
    refine_gate: ClassVar[str | None] = None
    packing: tuple[str, ...] = ()
    W: nn.Linear

    @abstractmethod
    def gates(self, x: Tensor, state: State) -> dict[str, Tensor]:
        """Return the gates of the step from ``state`` with input ``x`` [B, I]: name -> values in [0, 1], [B, …].

        They are what acts in the step: normalised, where the cell normalises them. Where the memory is kept on a scale
        of its own, the forget gate is what multiplies the memory itself, and the input gate what acts on that scale.
        """

    def gate_bias(self, name: str) -> Tensor:
        """Return the whole bias of a gate; what is written into this tensor is written into the parameter.

        Raises:
            NoBiasError: the gates have no bias.
            ValueError: there is no such gate.

        """
        if name not in self.packing:
            raise ValueError(f"{type(self).__name__}.packing is {self.packing}, in which there is no gate {name!r}")
        if self.W.bias is None:
            raise NoBiasError(f"the gates of this {type(self).__name__} have no bias")
        return self.W.bias.detach().view(len(self.packing), -1)[self.packing.index(name)]

    def start_forget_gate(self, bias: float | Tensor) -> None:
        """Set the initial bias of the forget gate, the same for all its units or one each.

        With no input the gate is then σ(bias), whatever the gate is made of.

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
