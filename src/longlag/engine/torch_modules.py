"""PyTorch's fused modules as a way to run our cells, and the exact conversion of weights both ways.

PyTorch keeps the weights of ``x`` and of ``h`` apart and has a bias with each; the two are added, so the effective bias
is their sum. Our cells have one weight over ``[h, x]`` and one bias.
"""

import contextlib
from collections.abc import Callable
from typing import Any, get_args

import torch
from torch import Tensor, nn

from longlag.cells import Cell, GRUCell, IRNNCell, LSTMCell, RNNCell, State
from longlag.engine.allocator import keep_freed_memory

Fused = LSTMCell | GRUCell | RNNCell | IRNNCell
_FUSED = get_args(Fused)
_MUCH = 2**19  # numbers in the hidden states of all steps: beyond, a call wants tens of megabytes
#: weight_ih, weight_hh, bias_ih, bias_hh, as PyTorch names them
Weights = tuple[Tensor, Tensor, Tensor, Tensor]


def fits(cell: Cell) -> bool:
    """Return whether PyTorch has a fused module for a cell; a subclass may compute something else, so it has none."""
    return type(cell) in _FUSED


def check(cell: Cell) -> None:
    """Check that PyTorch has a fused module for a cell.

    Raises:
        ValueError: it has none.

    """
    if not fits(cell):
        names = ", ".join(known.__name__ for known in _FUSED)
        raise ValueError(f"engine=torch runs {names}; {type(cell).__name__} has no fused module (engine=eager runs it)")


def unroll(cell: Cell, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
    """Run ``cell`` over the sequences ``x`` with PyTorch's fused module; gradients reach the weights of the cell.

    Args:
        cell: an LSTM, GRU, RNN or IRNN cell of this package.
        x: inputs [B, T, I].
        state: where to start; the cell's initial state if none is given.

    Returns:
        The hidden states of all steps [B, T, H], and the final state.

    """
    if x.is_cuda:
        exact_as_products()
    elif x.shape[0] * x.shape[1] * cell.hidden_size > _MUCH:
        keep_freed_memory()
    if state is None:
        state = cell.initial_state(x.shape[0], device=x.device, dtype=x.dtype)
    weights = _torch_weights(cell)
    options = (True, 1, 0.0, False, False, True)  # biases, layers, dropout, training, bidirectional, batch first
    h = state[0][None].contiguous()  # [1, B, H]
    if isinstance(cell, LSTMCell):
        hidden, h, c = torch.lstm(x, (h, state[1][None].contiguous()), weights, *options)
        return hidden, (h[0], c[0])
    fused: Callable[..., tuple[Tensor, Tensor]] = (
        torch.gru if isinstance(cell, GRUCell) else torch.rnn_relu if isinstance(cell, IRNNCell) else torch.rnn_tanh
    )
    hidden, h = fused(x, h, weights, *options)
    return hidden, (h[0], h[0])


def exact_as_products() -> None:
    """Let cuDNN be as exact in float32 as PyTorch's own products are, in this process from now on.

    Of itself it rounds what it multiplies to ten bits (TF32), where products do that only if they are told to, by
    ``torch.set_float32_matmul_precision``. It must last until the way back, which does the same. Whoever uses PyTorch's
    newer settings, ``fp32_precision``, has said what is wanted: they are left as they are.
    """
    with contextlib.suppress(RuntimeError):  # of the newer settings and the older ones one may be read
        if torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32:
            torch.backends.cudnn.allow_tf32 = False


def to_torch(cell: Cell) -> nn.RNNBase:
    """Return PyTorch's module (``batch_first``) with the weights of a cell: the same function, its own parameters.

    Raises:
        ValueError: PyTorch has no module for this cell.

    """
    check(cell)
    sizes: dict[str, Any] = {"input_size": cell.input_size, "hidden_size": cell.hidden_size, "batch_first": True}
    module: nn.RNNBase
    if isinstance(cell, LSTMCell):
        module = nn.LSTM(**sizes)
    elif isinstance(cell, GRUCell):
        module = nn.GRU(**sizes)
    else:
        module = nn.RNN(**sizes, nonlinearity="relu" if isinstance(cell, IRNNCell) else "tanh")
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
    I, H = module.input_size, module.hidden_size  # noqa: E741 -- the field's names
    cell: Fused
    if isinstance(module, nn.LSTM):
        cell = LSTMCell(I, H)
    elif isinstance(module, nn.GRU):
        cell = GRUCell(I, H)
    elif isinstance(module, nn.RNN):
        cell = IRNNCell(I, H) if module.nonlinearity == "relu" else RNNCell(I, H)
    else:
        raise ValueError(f"an nn.LSTM, nn.GRU or nn.RNN is wanted, got {type(module).__name__}")
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
    return cell


def _torch_weights(cell: Cell) -> Weights:
    """Return the weights of a cell as PyTorch packs them, with a way for the gradient back."""
    assert isinstance(cell, Fused)
    H, W = cell.hidden_size, cell.W
    w_hh, w_ih = W.weight[:, :H], W.weight[:, H:]
    b_ih: Tensor = W.bias
    b_hh = torch.zeros_like(b_ih)
    if isinstance(cell, GRUCell):  # PyTorch packs r, z, n
        w_hh, w_ih = torch.cat([w_hh, cell.V.weight]), torch.cat([w_ih, cell.U.weight])
        b_ih, b_hh = torch.cat([b_ih, cell.U.bias]), torch.cat([b_hh, cell.V.bias])
    return w_ih.contiguous(), w_hh.contiguous(), b_ih, b_hh
