"""The package torchrecurrent, if it is installed: a loop over cells that are written in PyTorch."""

import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from longlag.benchmark.contenders.bare_module import as_ours
from longlag.benchmark.contenders.contender import TorchContender
from longlag.benchmark.workload import Gradients, Workload
from longlag.cells import PeepholeLSTMCell


class TorchRecurrent(TorchContender):
    """Its ``PeepholeLSTM``, the only one of its cells that we have too."""

    name = "torchrecurrent"

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self._modules: list[Any] = [_module(cell) for cell in workload.cells if isinstance(cell, PeepholeLSTMCell)]
        self._leaves = [
            {"x": x.clone().requires_grad_(), **dict(module.cells[0].named_parameters())}
            for x, module in zip(workload.x, self._modules, strict=True)
        ]

    @classmethod
    def refusal(cls, workload: Workload) -> str | None:
        """Return ``None`` for the LSTM with peepholes, if the package is installed."""
        if type(workload.cells[0]) is not PeepholeLSTMCell:
            return "of our cells it has the LSTM with peepholes alone"
        try:
            importlib.import_module("torchrecurrent")
        except ImportError:
            return "not installed"
        return None

    def leaves(self, run: int) -> Mapping[str, Tensor]:
        """Return the inputs and the parameters of the module."""
        return self._leaves[run]

    def last(self, run: int) -> Tensor:
        """Return the last hidden states, [B, H]."""
        h: Tensor = self._modules[run](self._leaves[run]["x"])[1][0]
        return h[0]

    def gradients(self, run: int) -> Gradients:
        """Return the gradients in the form of our cell's weights."""
        gradients = dict(zip(self._leaves[run], self.train(run), strict=True))
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_ph", "x")
        parts = [part for name in names if (part := gradients[name]) is not None]
        p_i, p_f, p_o = parts[4].chunk(3)
        peepholes = {"p_i": p_i, "p_f": p_f, "p_o": p_o}
        return {"x": parts[5], **peepholes, **as_ours(self.workload.cells[run], *parts[:4])}


def _module(cell: PeepholeLSTMCell) -> Any:
    """Return its module with the weights of our cell; both pack them in the same order."""
    H = cell.hidden_size
    module = importlib.import_module("torchrecurrent").PeepholeLSTM(cell.input_size, H, batch_first=True)
    parts = {
        "weight_hh": cell.W.weight[:, :H],
        "weight_ih": cell.W.weight[:, H:],
        "weight_ph": torch.cat([cell.p_i, cell.p_f, cell.p_o]),
        "bias_ih": cell.W.bias,
        "bias_hh": torch.zeros_like(cell.W.bias),
    }
    module.to(cell.W.weight)
    with torch.no_grad():
        for name, parameter in module.cells[0].named_parameters():
            parameter.copy_(parts[name])
    return module
