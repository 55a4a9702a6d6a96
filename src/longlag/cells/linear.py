"""The contract of a cell whose memory obeys a linear recurrence, so that all steps can run at once."""

from abc import abstractmethod

from torch import Tensor

from longlag.cells.cell import Cell, State


class LinearCell(Cell):
    """A cell that is linear in its state: the factor of the memory and the number added to it depend on ``x`` alone.

    ::

        a, b = affine(x)
        m' = a ⊙ m + b
        h' = read(m', x)

    This class defines the step for all such cells; ``longlag.engine.scan`` calls the same two functions on all steps at
    once.

    State: ``h`` [B, H] and ``c``, the memory m [B, N], real or complex, of any size N. A cell whose ``h`` is its memory
    sets ``has_cell_state = False``, and its ``read`` returns m unchanged.

    A cell with gates that is linear in its state derives from both: ``class MyCell(GatedCell, LinearCell)``.
    """

    has_cell_state = linear_in_state = True

    @abstractmethod
    def affine(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return a and b for the inputs ``x`` [..., I] of one step or of all steps: any axes may precede the last.

        Both are [..., N] or broadcast to it; return an ``a`` that does not depend on ``x`` as [N].
        """

    @abstractmethod
    def read(self, m: Tensor, x: Tensor) -> Tensor:
        """Return the hidden state [..., H] for the memory ``m`` [..., N] after the step with input ``x`` [..., I]."""

    def forward(self, x: Tensor, state: State) -> State:
        """Map ``x`` [B, I] and the state ``(h, m)`` to ``(h', m')``."""
        a, b = self.affine(x)
        m = a * self.memory(state) + b
        return self.read(m, x), m

    def direct_path(self, x: Tensor, state: State) -> Tensor | None:
        """Return a, which is all of ∂m'/∂m; see :meth:`Cell.direct_path`."""
        return self.affine(x)[0]
