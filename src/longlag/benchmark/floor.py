"""The time below which a machine cannot go: the products that a cell needs, at the best rate that PyTorch reaches."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from longlag.benchmark.given import Size
from longlag.cells import (
    Cell,
    CoupledLSTMCell,
    ForgetLSTM2000Cell,
    GRUCell,
    IRNNCell,
    LSTMCell,
    PeepholeLSTMCell,
    RefinedLSTMCell,
    RNNCell,
)

#: Cell -> G, its gates and candidates: the maps of [h, x] to H units. The others are no such maps, and have no floor.
GATES: dict[type[Cell], int] = {
    LSTMCell: 4,
    PeepholeLSTMCell: 4,
    RefinedLSTMCell: 4,
    ForgetLSTM2000Cell: 4,
    CoupledLSTMCell: 3,
    GRUCell: 3,
    RNNCell: 1,
    IRNNCell: 1,
}
_ORDERS = {"cpu": (256, 512, 1024), "cuda": (2048, 4096, 8192)}


def operations(gates: int, size: Size) -> int:
    """Return the floating-point operations of a run's time step, forward and backward: 6·G·H·(H + I)·B.

    A product has a multiplication and an addition for each weight and sequence. There are three of them: forward, for
    the gradient of [h, x], and for that of the weights. A third of it is forward.
    """
    return 6 * gates * size.H * (size.H + size.I) * size.B


def gates_of(cell: Cell) -> int | None:
    """Return G, ``None`` if the cell is not made of such maps; a subclass may compute something else."""
    if isinstance(cell, ForgetLSTM2000Cell) and cell.block_size > 1:  # whose gates are shared
        return None
    return GATES.get(type(cell))


class Rate:
    """The rate of this machine: the best of some square float32 products, each measured again at every call.

    Args:
        device: where.

    """

    name = "matrix products"

    def __init__(self, device: str = "cpu") -> None:
        self._products: list[tuple[str, int, Callable[[], Tensor]]] = []
        self._device = device
        self.best = 0.0
        """Floating-point operations a second; 0 before the first measurement."""
        self.what = ""
        """Which product that was."""
        draws = torch.Generator().manual_seed(0)
        for n in _ORDERS[device]:
            a, b = (torch.randn(n, n, generator=draws).to(device) for _ in range(2))
            self._products += [(f"{name} {n} × {n}", n, product) for name, product in _ways(a, b)]
        for _, _, product in self._products:
            product()

    def measure(self) -> None:
        """Measure every product once."""
        for what, n, product in self._products:
            waited(self._device)
            start = time.perf_counter()
            product()
            waited(self._device)
            rate = 2 * n**3 / (time.perf_counter() - start)
            if rate > self.best:
                self.best, self.what = rate, what


def waited(device: str) -> None:
    """Return when the device has done all that it was asked for."""
    if device == "cuda":
        torch.cuda.synchronize()


def _ways(a: Tensor, b: Tensor) -> list[tuple[str, Callable[[], Tensor]]]:
    """Return torch.mm, and the same product by oneDNN, whose own is faster on some processors."""
    out = torch.empty_like(a)
    ways: list[tuple[str, Callable[[], Tensor]]] = [("torch.mm", lambda: torch.mm(a, b, out=out))]
    if a.device.type == "cpu":
        try:
            linear = torch.ops.mkldnn._linear_pointwise
            linear(a, b, None, "none", [], "")
        except (AttributeError, RuntimeError):  # no oneDNN, or another PyTorch: it promises no such function
            return ways
        ways.append(("oneDNN", lambda: linear(a, b, None, "none", [], "")))
    return ways
