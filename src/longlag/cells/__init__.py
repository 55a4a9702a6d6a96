"""What a cell computes: one recurrent cell a file, one step each."""

from longlag.cells.cell import Cell, State
from longlag.cells.lstm import LSTMCell
from longlag.cells.rnn import RNNCell

__all__ = ["Cell", "LSTMCell", "RNNCell", "State"]
