"""JAX, if it is installed: ``lax.scan`` over the steps, jitted, with ``value_and_grad``. On the CPU alone."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import torch

from longlag.benchmark.contenders.contender import Contender
from longlag.benchmark.workload import Gradients, Workload
from longlag.cells import Cell, GRUCell, IRNNCell, LSTMCell, RNNCell


class JaxScan(Contender):
    """``lax.scan`` over a step; one product before the loop multiplies the inputs of all steps by their weights."""

    name = "jax"
    compiles_s = 2.0

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        jax = importlib.import_module("jax")
        H, run = workload.size.H, _CELLS[type(workload.cells[0])]

        def hidden(weights: dict[str, Any], x: Any) -> Any:
            return run(jax, weights, x.swapaxes(0, 1), H)  # of x [T, B, I]: the last h, and h of all steps

        def loss(weights: dict[str, Any], x: Any, back: Any) -> Any:
            return (hidden(weights, x)[0] * back).sum()

        self._hidden, self._gradient = jax.jit(hidden), jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
        self._ready = jax.block_until_ready
        with jax.default_device(jax.devices("cpu")[0]):
            self._weights = [
                {name: jax.numpy.array(p.detach().numpy()) for name, p in cell.named_parameters()}
                for cell in workload.cells
            ]
            self._x, self._back = ([jax.numpy.array(part.numpy()) for part in of] for of in (workload.x, workload.back))

    @classmethod
    def refusal(cls, workload: Workload) -> str | None:
        """Return ``None`` for the cells that this file writes in JAX, if JAX is installed."""
        if type(workload.cells[0]) not in _CELLS:
            return "it does not run this cell"
        if workload.device != "cpu":
            return "measured on the CPU alone"
        if "jax" not in sys.modules:  # JAX reads these once; by default its threads take all cores
            os.environ.setdefault("JAX_PLATFORMS", "cpu")
            threads = torch.get_num_threads()
            os.environ.setdefault("PJRT_NPROC", str(threads))
            if threads == 1:
                os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
        try:
            importlib.import_module("jax")
        except ImportError:
            return "not installed"
        return None

    def forward(self, run: int) -> object:
        """Run the sequences of a run, for the hidden states of all steps."""
        return self._ready(self._hidden(self._weights[run], self._x[run]))

    def train(self, run: int) -> Any:
        """Run them forward and back."""
        return self._ready(self._gradient(self._weights[run], self._x[run], self._back[run]))

    def gradients(self, run: int) -> Gradients:
        """Return the gradients; its weights have the form of ours."""
        _, (of_weights, of_x) = self.train(run)
        numpy = importlib.import_module("numpy")
        return {name: torch.from_numpy(numpy.array(part)) for name, part in {"x": of_x, **of_weights}.items()}


def _lstm(jax: Any, w: dict[str, Any], x: Any, H: int) -> tuple[Any, Any]:
    z, W_h = x @ w["W.weight"][:, H:].T + w["W.bias"], w["W.weight"][:, :H].T

    def step(state: tuple[Any, Any], z_t: Any) -> tuple[tuple[Any, Any], Any]:
        i, f, g, o = jax.numpy.split(z_t + state[0] @ W_h, 4, axis=-1)
        c = jax.nn.sigmoid(f) * state[1] + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
        h = jax.nn.sigmoid(o) * jax.numpy.tanh(c)
        return (h, c), h

    zeros = jax.numpy.zeros((x.shape[1], H), x.dtype)
    (h, _), hidden = jax.lax.scan(step, (zeros, zeros), z)
    return h, hidden


def _gru(jax: Any, w: dict[str, Any], x: Any, H: int) -> tuple[Any, Any]:
    z, u = x @ w["W.weight"][:, H:].T + w["W.bias"], x @ w["U.weight"].T + w["U.bias"]
    W_h, V = w["W.weight"][:, :H].T, w["V.weight"].T

    def step(h: Any, inputs: tuple[Any, Any]) -> tuple[Any, Any]:
        z_t, u_t = inputs
        r, keep = jax.numpy.split(jax.nn.sigmoid(z_t + h @ W_h), 2, axis=-1)
        h = keep * h + (1 - keep) * jax.numpy.tanh(u_t + r * (h @ V + w["V.bias"]))
        return h, h

    h, hidden = jax.lax.scan(step, jax.numpy.zeros((x.shape[1], H), x.dtype), (z, u))
    return h, hidden


def _plain(name: str) -> Callable[[Any, dict[str, Any], Any, int], tuple[Any, Any]]:
    def run(jax: Any, w: dict[str, Any], x: Any, H: int) -> tuple[Any, Any]:
        z, W_h = x @ w["W.weight"][:, H:].T + w["W.bias"], w["W.weight"][:, :H].T
        squash = getattr(jax.nn, name)

        def step(h: Any, z_t: Any) -> tuple[Any, Any]:
            h = squash(z_t + h @ W_h)
            return h, h

        h, hidden = jax.lax.scan(step, jax.numpy.zeros((x.shape[1], H), x.dtype), z)
        return h, hidden

    return run


#: ``run(jax, weights, x [T, B, I], H) -> (the last h [B, H], h of all steps [T, B, H])``
_CELLS: dict[type[Cell], Callable[[Any, dict[str, Any], Any, int], tuple[Any, Any]]] = {
    LSTMCell: _lstm,
    GRUCell: _gru,
    RNNCell: _plain("tanh"),
    IRNNCell: _plain("relu"),
}
