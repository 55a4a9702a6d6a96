"""What a cell computes: one recurrent cell a file, one step each."""

from longlag.cells.cell import Cell, State
from longlag.cells.gated import GatedCell
from longlag.cells.gru import GRUCell
from longlag.cells.irnn import IRNNCell
from longlag.cells.lstm import LSTMCell
from longlag.cells.lstm_coupled import CoupledLSTMCell
from longlag.cells.rnn import RNNCell

__all__ = ["Cell", "CoupledLSTMCell", "GRUCell", "GatedCell", "IRNNCell", "LSTMCell", "RNNCell", "State"]
