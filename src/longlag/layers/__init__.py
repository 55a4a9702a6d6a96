"""The layer of each cell: run over padded sequences, batch first, on the fastest engine, as ``torch.nn.LSTM`` is."""

from typing import Any

from longlag import cells
from longlag.errors import near
from longlag.layers.recurrent_layer import RecurrentLayer


class CausalAttention(RecurrentLayer):
    """Layers of :class:`longlag.cells.CausalAttentionCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.CausalAttentionCell


class CoupledLSTM(RecurrentLayer):
    """Layers of :class:`longlag.cells.CoupledLSTMCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.CoupledLSTMCell


class ForgetLSTM2000(RecurrentLayer):
    """Layers of :class:`longlag.cells.ForgetLSTM2000Cell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.ForgetLSTM2000Cell


class GRU(RecurrentLayer):
    """Layers of :class:`longlag.cells.GRUCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.GRUCell


class IRNN(RecurrentLayer):
    """Layers of :class:`longlag.cells.IRNNCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.IRNNCell


class LRU(RecurrentLayer):
    """Layers of :class:`longlag.cells.LRUCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.LRUCell


class LSTM(RecurrentLayer):
    """Layers of :class:`longlag.cells.LSTMCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.LSTMCell


class LSTM1997(RecurrentLayer):
    """Layers of :class:`longlag.cells.LSTM1997Cell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.LSTM1997Cell


class MLSTM(RecurrentLayer):
    """Layers of :class:`longlag.cells.MLSTMCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.MLSTMCell


class MinGRU(RecurrentLayer):
    """Layers of :class:`longlag.cells.MinGRUCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.MinGRUCell


class MinLSTM(RecurrentLayer):
    """Layers of :class:`longlag.cells.MinLSTMCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.MinLSTMCell


class PeepholeLSTM(RecurrentLayer):
    """Layers of :class:`longlag.cells.PeepholeLSTMCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.PeepholeLSTMCell


class RNN(RecurrentLayer):
    """Layers of :class:`longlag.cells.RNNCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.RNNCell


class RefinedLSTM(RecurrentLayer):
    """Layers of :class:`longlag.cells.RefinedLSTMCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.RefinedLSTMCell


class SLSTM(RecurrentLayer):
    """Layers of :class:`longlag.cells.SLSTMCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.SLSTMCell


class UnitaryRNN(RecurrentLayer):
    """Layers of :class:`longlag.cells.UnitaryRNNCell`; see :class:`longlag.layers.RecurrentLayer`."""

    cell_type = cells.UnitaryRNNCell


_LAYERS: tuple[type[RecurrentLayer], ...] = (
    CausalAttention,
    CoupledLSTM,
    ForgetLSTM2000,
    GRU,
    IRNN,
    LRU,
    LSTM,
    LSTM1997,
    MLSTM,
    MinGRU,
    MinLSTM,
    PeepholeLSTM,
    RNN,
    RefinedLSTM,
    SLSTM,
    UnitaryRNN,
)
#: the name of a cell on the command line, which is that of its module -> its layer
_BY_NAME = {kind.cell_type.__module__.rsplit(".", 1)[-1]: kind for kind in _LAYERS}


def layer(
    cell: str,
    input_size: int,
    hidden_size: int,
    num_layers: int = 1,
    dropout: float = 0.0,
    engine: str = "auto",
    **options: Any,
) -> RecurrentLayer:
    """Make the layer of a cell that is named as on the command line.

    ::

        layer = longlag.layer("lstm_peephole", 2, 32, num_layers=2, forget_bias=3.0)
        outputs, state = layer(x, lengths=lengths)  # [B, L, I] -> [B, L, H]

    Args:
        cell: the name of the cell, such as ``lstm_peephole``.
        input_size: I, the number of input channels.
        hidden_size: H, the number of hidden units of each layer.
        num_layers: the number of layers.
        dropout: the probability with which a hidden unit is dropped between two layers in training mode.
        engine: how the cells run over time.
        options: arguments of the cell.

    Raises:
        ValueError: there is no such cell, or an argument is wrong.

    """
    if cell not in _BY_NAME:
        candidates = near(cell, _BY_NAME)[:1]
        hint = f"; did you mean {candidates[0]}?" if candidates else f"; there are: {', '.join(_BY_NAME)}"
        raise ValueError(f"no cell {cell!r}{hint}")
    return _BY_NAME[cell](input_size, hidden_size, num_layers, dropout, engine, **options)


__all__ = [
    "GRU",
    "IRNN",
    "LRU",
    "LSTM",
    "LSTM1997",
    "MLSTM",
    "RNN",
    "SLSTM",
    "CausalAttention",
    "CoupledLSTM",
    "ForgetLSTM2000",
    "MinGRU",
    "MinLSTM",
    "PeepholeLSTM",
    "RecurrentLayer",
    "RefinedLSTM",
    "UnitaryRNN",
    "layer",
]
