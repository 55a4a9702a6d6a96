"""PyTorch's own module, with nothing of ours around it."""

from collections.abc import Mapping

import torch
from torch import Tensor

from longlag.benchmark.contenders.contender import TorchContender
from longlag.benchmark.given import Given, Gradients
from longlag.cells import Cell, GRUCell
from longlag.engine import torch_modules


class BareModule(TorchContender):
    """``nn.LSTM``, ``nn.GRU`` or ``nn.RNN``."""

    name = "bare"

    def __init__(self, given: Given) -> None:
        super().__init__(given)
        torch_modules.exact_as_products()
        self._modules = [torch_modules.to_torch(cell) for cell in given.cells]
        self._leaves = [
            {"x": x.clone().requires_grad_(), **dict(module.named_parameters())}
            for x, module in zip(given.x, self._modules, strict=True)
        ]

    @classmethod
    def refusal(cls, given: Given) -> str | None:
        """Return ``None`` for the cells that PyTorch has a module for."""
        return None if torch_modules.fits(given.cells[0]) else "runs the cells that PyTorch has a module for"

    def leaves(self, run: int) -> Mapping[str, Tensor]:
        """Return the inputs and the parameters of the module."""
        return self._leaves[run]

    def last(self, run: int) -> Tensor:
        """Return the last hidden states, [B, H]."""
        end = self._modules[run](self._leaves[run]["x"])[1]
        h: Tensor = end[0] if isinstance(end, tuple) else end
        return h[0]

    def gradients(self, run: int) -> Gradients:
        """Put the gradients together as our cell has its weights."""
        found = dict(zip(self._leaves[run], self.train(run), strict=True))
        x, *parts = (_there(found[name]) for name in ("x", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"))
        return {"x": x, **as_ours(self.given.cells[run], *parts)}


def as_ours(cell: Cell, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Gradients:
    """Return gradients of weights that are packed as PyTorch does it under the names of our cell's parameters.

    PyTorch's two biases are added, so either has the whole gradient of our one; but the GRU's candidate has two.
    """
    H = cell.hidden_size
    rows = 2 * H if isinstance(cell, GRUCell) else len(w_ih)
    found = {"W.weight": torch.cat([w_hh, w_ih], dim=1)[:rows], "W.bias": b_ih[:rows]}
    if isinstance(cell, GRUCell):
        found |= {"U.weight": w_ih[rows:], "U.bias": b_ih[rows:], "V.weight": w_hh[rows:], "V.bias": b_hh[rows:]}
    return found


def _there(gradient: Tensor | None) -> Tensor:
    assert gradient is not None
    return gradient
