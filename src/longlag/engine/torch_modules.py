"""Run our cells by PyTorch's fused modules, and convert weights exactly both ways.

PyTorch keeps the weights of ``x`` and of ``h`` apart and has a bias with each; it adds the two, so the effective bias
is their sum. Our cells have one weight over ``[h, x]`` and one bias.
"""

import contextlib
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from longlag.cells import Cell, GRUCell, State
from longlag.engine.base import Engine
from longlag.engine.kernel_cells import KERNEL_CELLS, bias, kernel_cell, unfit

#: ``nn.RNNBase.mode`` -> the fused function, and the module.
_FUSED: dict[str, tuple[Any, Any]] = {
    "LSTM": (torch.lstm, nn.LSTM),
    "GRU": (torch.gru, nn.GRU),
    "RNN_TANH": (torch.rnn_tanh, nn.RNN),
    "RNN_RELU": (torch.rnn_relu, partial(nn.RNN, nonlinearity="relu")),
}
_CELLS = {entry.torch_mode: kind for kind, entry in KERNEL_CELLS.items() if entry.torch_mode is not None}
#: weight_ih, weight_hh, bias_ih, bias_hh, as PyTorch names them
Weights = tuple[Tensor, Tensor, Tensor, Tensor]


class TorchModules(Engine):
    """PyTorch's fused functions, with the weights of our cell; gradients reach them."""

    name = "torch"

    def fits(self, cell: Any) -> bool:
        """Return whether PyTorch has a fused module for a cell; none fits a subclass or a modified cell."""
        return _mode(cell) is not None and unfit(cell) is None

    def refusal(self, cell: Any, x: Tensor | None = None) -> str | None:
        """Return why the engine cannot run a cell; see :meth:`Engine.refusal`."""
        why = unfit(cell) if _mode(cell) is not None else f"{type(cell).__name__} has no fused module"
        if why is None:
            return None
        names = ", ".join(kind.__name__ for kind in _CELLS.values())
        return f"engine=torch runs {names}; {why} (engine=eager runs it)"

    def unroll(self, cell: Any, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run a cell over sequences; see :meth:`Engine.unroll`."""
        return _unroll(cell, x, state)


def _unroll(cell: Cell, x: Tensor, state: State | None) -> tuple[Tensor, State]:
    if x.is_cuda:
        exact_as_products()
    if state is None:
        state = cell.initial_state(x.shape[0], device=x.device, dtype=x.dtype)
    weights = _torch_weights(cell)
    options = (True, 1, 0.0, False, False, True)  # biases, layers, dropout, training, bidirectional, batch first
    h = state[0][None].contiguous()  # [1, B, H]
    fused, _ = _FUSED[_mode(cell) or ""]
    if cell.has_cell_state:
        hidden, h, c = fused(x, (h, state[1][None].contiguous()), weights, *options)
        return hidden, (h[0], c[0])
    hidden, h = fused(x, h, weights, *options)
    return hidden, (h[0], h[0])


def _mode(cell: Cell) -> str | None:
    """Return the mode of the fused module that computes what a cell does, if PyTorch has one."""
    entry = kernel_cell(cell)
    return None if entry is None else entry.torch_mode


def exact_as_products() -> None:
    """Make cuDNN as exact in float32 as PyTorch's own products are, in this process from now on.

    By default cuDNN rounds factors to ten bits (TF32), while products do so only where
    ``torch.set_float32_matmul_precision`` allows it. The setting must last until the way back, which computes the same
    way. PyTorch's newer settings, ``fp32_precision``, are left alone: whoever uses them has chosen.
    """
    with contextlib.suppress(RuntimeError):  # a process may read the newer settings or the older ones, not both
        if torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32:
            torch.backends.cudnn.allow_tf32 = False


def to_torch(cell: Cell) -> nn.RNNBase:
    """Return PyTorch's module (``batch_first``) with the weights of a cell: the same function, its own parameters.

    Raises:
        ValueError: PyTorch has no module for this cell.

    """
    if (why := TorchModules().refusal(cell)) is not None:
        raise ValueError(why)
    _, make = _FUSED[_mode(cell) or ""]
    module: nn.RNNBase = make(cell.input_size, cell.hidden_size, batch_first=True)
    weights = [part.detach() for part in _torch_weights(cell)]
    module.to(weights[0])
    with torch.no_grad():
        for name, weight in zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), weights, strict=True):
            getattr(module, name).copy_(weight)
    return module


def from_torch(module: nn.RNNBase) -> Cell:
    """Return the cell with the weights of PyTorch's module: the same function, its own parameters.

    Where the cell has one bias, it is the sum of PyTorch's two.

    Raises:
        ValueError: the module has several layers, two directions, no biases or a projection.

    """
    if module.num_layers != 1 or module.bidirectional or not module.bias or module.proj_size:
        raise ValueError("one layer, one direction, biases and no projection are wanted; a stack is several cells")
    if module.mode not in _CELLS:
        raise ValueError(f"an nn.LSTM, nn.GRU or nn.RNN is wanted, got {type(module).__name__}")
    H = module.hidden_size
    cell: Any = _CELLS[module.mode](module.input_size, H)
    w_ih, w_hh = (getattr(module, name).detach() for name in ("weight_ih_l0", "weight_hh_l0"))
    b_ih, b_hh = (getattr(module, name).detach() for name in ("bias_ih_l0", "bias_hh_l0"))
    cell.to(w_ih)
    rows = 2 * H if isinstance(cell, GRUCell) else len(w_ih)
    with torch.no_grad():
        cell.W.weight.copy_(torch.cat([w_hh, w_ih], dim=1)[:rows])
        cell.W.bias.copy_((b_ih + b_hh)[:rows])
        if isinstance(cell, GRUCell):  # the reset gate acts on V h + d alone, so these biases stay apart
            for layer, weight, bias in ((cell.U, w_ih, b_ih), (cell.V, w_hh, b_hh)):
                layer.weight.copy_(weight[rows:])
                layer.bias.copy_(bias[rows:])
    made: Cell = cell
    return made


def _torch_weights(cell: Any) -> Weights:
    """Return the weights of a cell as PyTorch packs them; gradients flow back to them."""
    H, W = cell.hidden_size, cell.W
    w_hh, w_ih = W.weight[:, :H], W.weight[:, H:]
    b_ih = bias(W)
    b_hh = torch.zeros_like(b_ih)
    if isinstance(cell, GRUCell):  # PyTorch packs r, z, n
        w_hh, w_ih = torch.cat([w_hh, cell.V.weight]), torch.cat([w_ih, cell.U.weight])
        b_ih, b_hh = torch.cat([b_ih, bias(cell.U)]), torch.cat([b_hh, bias(cell.V)])
    return w_ih.contiguous(), w_hh.contiguous(), b_ih, b_hh
