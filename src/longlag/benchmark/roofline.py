"""The least time of a step: the products that a cell needs, at the best rate that PyTorch reaches on this machine."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from longlag.benchmark.workload import Size
from longlag.cells import Cell
from longlag.engine.kernel_cells import kernel_cell

_ORDERS = {"cpu": (256, 512, 1024), "cuda": (2048, 4096, 8192)}


def operations(gates: int, size: Size) -> int:
    """Return the floating-point operations of a run's time step, forward and backward: 6·G·H·(H + I)·B.

    A product has a multiplication and an addition for each weight and sequence. There are three products: forward, for
    the gradient of [h, x], and for the gradient of the weights. So forward is a third.
    """
    return 6 * gates * size.H * (size.H + size.I) * size.B


def gates_of(cell: Cell) -> int | None:
    """Return G, the number of the cell's maps of [h, x] to H units: its gates and candidates.

    ``None`` for a cell that is made of other maps, as one whose blocks share gates: it has no floor.
    """
    if kernel_cell(cell) is None:
        return None
    H, I = cell.hidden_size, cell.input_size  # noqa: E741 -- the field's names
    weights = sum(parameter.numel() for parameter in cell.parameters() if parameter.ndim == 2)
    gates, rest = divmod(weights, H * (H + I))
    return None if rest else gates


class Rate:
    """The rate of this machine: the best of some square float32 products, over all calls of :meth:`measure`.

    Args:
        device: ``cpu`` or ``cuda``.

    """

    name = "matrix products"

    def __init__(self, device: str = "cpu") -> None:
        self._products: list[tuple[str, int, Callable[[], Tensor]]] = []
        self._device = device
        self.best = 0.0
        """Floating-point operations a second; 0 before the first measurement."""
        self.what = ""
        """The product that reached this rate."""
        draws = torch.Generator().manual_seed(0)
        for n in _ORDERS[device]:
            a, b = (torch.randn(n, n, generator=draws).to(device) for _ in range(2))
            self._products += [(f"{name} {n} × {n}", n, product) for name, product in _ways(a, b)]
        for _, _, product in self._products:
            product()

    def measure(self) -> None:
        """Measure every product once."""
        for what, n, product in self._products:
            wait_for(self._device)
            start = time.perf_counter()
            product()
            wait_for(self._device)
            rate = 2 * n**3 / (time.perf_counter() - start)
            if rate > self.best:
                self.best, self.what = rate, what


def wait_for(device: str) -> None:
    """Wait until the device has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()


def _ways(a: Tensor, b: Tensor) -> list[tuple[str, Callable[[], Tensor]]]:
    """Return torch.mm, and the same product by oneDNN, which is faster on some processors."""
    out = torch.empty_like(a)
    ways: list[tuple[str, Callable[[], Tensor]]] = [("torch.mm", lambda: torch.mm(a, b, out=out))]
    if a.device.type == "cpu":
        try:
            linear = torch.ops.mkldnn._linear_pointwise
            linear(a, b, None, "none", [], "")
        except (AttributeError, RuntimeError):  # no oneDNN, or a PyTorch without this private function
            return ways
        ways.append(("oneDNN", lambda: linear(a, b, None, "none", [], "")))
    return ways
