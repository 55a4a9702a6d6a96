"""PyTorch's own module, with nothing of ours around it."""

from collections.abc import Mapping

import torch
from torch import Tensor

from longlag.benchmark.contenders.contender import TorchContender
from longlag.benchmark.workload import Gradients, Workload
from longlag.cells import Cell, GRUCell
from longlag.engine import torch_modules


class BareModule(TorchContender):
    """``nn.LSTM``, ``nn.GRU`` or ``nn.RNN``."""

    name = "bare"

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        torch_modules.exact_as_products()
        self._modules = [torch_modules.to_torch(cell) for cell in workload.cells]
        self._leaves = [
            {"x": x.clone().requires_grad_(), **dict(module.named_parameters())}
            for x, module in zip(workload.x, self._modules, strict=True)
        ]

    @classmethod
    def refusal(cls, workload: Workload) -> str | None:
        """Return ``None`` for a cell for which PyTorch has a module."""
        return (
            None
            if torch_modules.TorchModules().fits(workload.cells[0])
            else "runs the cells that PyTorch has a module for"
        )

    def leaves(self, run: int) -> Mapping[str, Tensor]:
        """Return the inputs and the parameters of the module."""
        return self._leaves[run]

    def last(self, run: int) -> Tensor:
        """Return the last hidden states, [B, H]."""
        end = self._modules[run](self._leaves[run]["x"])[1]
        h: Tensor = end[0] if isinstance(end, tuple) else end
        return h[0]

    def gradients(self, run: int) -> Gradients:
        """Return the gradients in the form of our cell's weights."""
        gradients = dict(zip(self._leaves[run], self.train(run), strict=True))
        x, *parts = (
            _not_none(gradients[name]) for name in ("x", "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        )
        return {"x": x, **as_ours(self.workload.cells[run], *parts)}


def as_ours(cell: Cell, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor) -> Gradients:
    """Turn gradients of PyTorch's weights into gradients under the names of our cell's parameters.

    PyTorch adds its two biases, so each has the whole gradient of our one; but the GRU's candidate has two.
    """
    H = cell.hidden_size
    rows = 2 * H if isinstance(cell, GRUCell) else len(w_ih)
    gradients = {"W.weight": torch.cat([w_hh, w_ih], dim=1)[:rows], "W.bias": b_ih[:rows]}
    if isinstance(cell, GRUCell):
        gradients |= {"U.weight": w_ih[rows:], "U.bias": b_ih[rows:], "V.weight": w_hh[rows:], "V.bias": b_hh[rows:]}
    return gradients


def _not_none(gradient: Tensor | None) -> Tensor:
    assert gradient is not None
    return gradient
