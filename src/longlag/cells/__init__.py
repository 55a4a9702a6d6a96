"""The recurrent cells, one a file; each computes one time step."""

from longlag.cells.causal_attention import CausalAttentionCell
from longlag.cells.cell import Cell, State
from longlag.cells.gated import GatedCell
from longlag.cells.gru import GRUCell
from longlag.cells.init import Chrono, Staggered, Uniform
from longlag.cells.irnn import IRNNCell
from longlag.cells.linear import LinearCell
from longlag.cells.lru import LRUCell
from longlag.cells.lstm import LSTMCell
from longlag.cells.lstm_1997 import LSTM1997Cell
from longlag.cells.lstm_coupled import CoupledLSTMCell
from longlag.cells.lstm_forget_2000 import ForgetLSTM2000Cell
from longlag.cells.lstm_peephole import PeepholeLSTMCell
from longlag.cells.lstm_refine import RefinedLSTMCell
from longlag.cells.min_gru import MinGRUCell
from longlag.cells.min_lstm import MinLSTMCell
from longlag.cells.mlstm import MLSTMCell
from longlag.cells.rnn import RNNCell
from longlag.cells.slstm import SLSTMCell
from longlag.cells.unitary_rnn import UnitaryRNNCell

__all__ = [
    "CausalAttentionCell",
    "Cell",
    "Chrono",
    "CoupledLSTMCell",
    "ForgetLSTM2000Cell",
    "GRUCell",
    "GatedCell",
    "IRNNCell",
    "LRUCell",
    "LSTM1997Cell",
    "LSTMCell",
    "LinearCell",
    "MLSTMCell",
    "MinGRUCell",
    "MinLSTMCell",
    "PeepholeLSTMCell",
    "RNNCell",
    "RefinedLSTMCell",
    "SLSTMCell",
    "Staggered",
    "State",
    "Uniform",
    "UnitaryRNNCell",
]
