"""The file of the exercise: an LSTM without its equations."""

STUB = '''"""The exercise: write the LSTM cell.

Fill in the two places with dots, then run the six checks:

    longlag check --exercise cell._target_={module}.MyLSTM

and train with it:

    longlag train cell._target_={module}.MyLSTM
"""

import torch
from torch import Tensor, nn

from longlag.cells import Cell, State


class MyLSTM(Cell):
    """An LSTM with a forget gate, whose state is updated additively: c' = f * c + i * g, h' = o * tanh(c').

    i, f and o pass through the logistic function, g through tanh.
    """

    has_cell_state = True

    def __init__(self, input_size: int, hidden_size: int, forget_bias: float = 1.0) -> None:
        super().__init__(input_size, hidden_size)
        # One linear map of [h, x] to the four pre-activations, packed in the order i, f, g, o.
        self.W = nn.Linear(hidden_size + input_size, 4 * hidden_size)
        # 1. Set the bias of the forget gate, and of no other, to forget_bias.
        ...

    def forward(self, x: Tensor, state: State) -> State:
        h, c = state  # [B, H] each
        z = self.W(torch.cat([h, x], dim=-1))  # [B, 4H]
        # 2. Split z into the gates, compute the new c and h, and return (h, c).
        raise NotImplementedError("the equations of the LSTM are still to be filled in")
'''


def stub(module: str) -> str:
    """Return the text of the exercise, for a file that Python imports as ``module``."""
    return STUB.replace("{module}", module)
