"""The package flashrnn, if it is installed: CUDA kernels, whose heads are the runs. On a GPU alone."""

import importlib
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from longlag.benchmark.contenders.contender import TorchContender
from longlag.benchmark.workload import Gradients, Workload
from longlag.cells import Cell, GRUCell, LSTMCell, RNNCell

#: A cell -> the name of its function there.
_FUNCTIONS: dict[type[Cell], str] = {LSTMCell: "lstm", GRUCell: "gru", RNNCell: "elman"}


class FlashRNN(TorchContender):
    """All runs in one call, as independent heads (Pöppel, Beck and Hochreiter 2024).

    These are the kernels that alternate between products and pointwise parts. The fused kernels round the factors of
    products to ten bits, of float32 too, so their gradients are off by more than the benchmark accepts.
    """

    name = "flashrnn"
    at_once = True
    compiles_s = 120.0
    backend: ClassVar[str] = "cuda"
    device: ClassVar[str] = "cuda"

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self._unroll = importlib.import_module("flashrnn").flashrnn
        of_h, of_x, biases = (torch.stack(parts, dim=1) for parts in zip(*map(_by_gate, workload.cells), strict=True))
        leaves = {"x": workload.x, "of_h": of_h, "of_x": of_x, "biases": biases}
        self._leaves = {name: part.detach().clone().requires_grad_() for name, part in leaves.items()}

    @classmethod
    def refusal(cls, workload: Workload) -> str | None:
        """Return ``None`` on a GPU for the cells that we both have, if the package is installed."""
        if type(workload.cells[0]) not in _FUNCTIONS:
            return "of our cells it has lstm, gru and rnn"
        if torch.device(workload.device).type != cls.device:
            return "measured on a GPU alone"
        try:
            importlib.import_module("flashrnn")
        except ImportError:
            return "not installed"
        except OSError as error:  # its import looks for the CUDA compiler
            return f"cannot be imported: {error}".splitlines()[0]
        return None

    def leaves(self, run: int) -> Mapping[str, Tensor]:
        """Return inputs and weights of all runs, by gates and runs, in the form of its kernels."""
        return self._leaves

    def last(self, run: int) -> Tensor:
        """Return the last hidden states of all runs, [R, B, H]."""
        x, of_h, of_x, biases = self._leaves.values()
        inputs = torch.einsum("rbti,grdi->btgrd", x, of_x)
        function = _FUNCTIONS[type(self.workload.cells[0])]
        _, end = self._unroll(inputs, of_h, biases, function=function, backend=self.backend, dtype="float32")
        h: Tensor = end[0, :, 0]  # of [states, B, 1, R, H]
        return h.transpose(0, 1)

    def gradients(self, run: int) -> Gradients:
        """Return the part of one run, in the form of our cell's weights."""
        x, *parts = self.train(run)
        assert x is not None
        of_h, of_x, biases = (part[:, run] for part in parts if part is not None)
        gradients = {"x": x[run]}
        if isinstance(self.workload.cells[run], GRUCell):
            gradients |= {"V.weight": of_h[0], "V.bias": biases[0], "U.weight": of_x[2], "U.bias": biases[3]}
            of_h, of_x, biases = of_h[1:], of_x[:2], biases[1:3]
        whole = torch.cat([of_h, of_x], dim=2).flatten(0, 1)
        return {**gradients, "W.weight": whole, "W.bias": biases.flatten()}


def _by_gate(cell: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return the weights of h [gates, H, H] and of x [gates, H, I], and the biases [gates, H].

    The order for a GRU: weights of h for the candidate, r, z; weights of x for r, z, the candidate; biases for the
    candidate's part of h, r, z, the candidate's part of x.
    """
    H = cell.hidden_size
    weights, biases = cell.W.weight.unflatten(0, (-1, H)), cell.W.bias.unflatten(0, (-1, H))
    of_h, of_x = weights[..., :H], weights[..., H:]
    if isinstance(cell, GRUCell):
        of_h, of_x = torch.cat([cell.V.weight[None], of_h]), torch.cat([of_x, cell.U.weight[None]])
        biases = torch.cat([cell.V.bias[None], biases, cell.U.bias[None]])
    return of_h, of_x, biases
