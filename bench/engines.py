"""The engines against the eager loop and PyTorch's own modules: `make bench-engines`.

One thread; forward and backward of the last hidden states; the contenders are run in turn on the same weights and
inputs, and the least of each is taken. The gradients with respect to the inputs are compared first.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from longlag.cells import Cell, GRUCell, IRNNCell, LRUCell, LSTMCell, MinGRUCell, MinLSTMCell, RNNCell
from longlag.engine import engine_for
from longlag.engine.torch_modules import to_torch

H, ROUNDS = 32, 7
SIZES = ((60, 32), (60, 256), (1000, 32))  # T, B
Run = Callable[[Tensor], Tensor]


def contenders(cell: Cell) -> dict[str, Run]:
    """Return name -> what maps inputs [B, T, I] to the last hidden states [B, H]."""
    fast = "torch" if isinstance(cell, LSTMCell | GRUCell | RNNCell | IRNNCell) else "scan"
    runs: dict[str, Run] = {}
    for name in ("eager", fast):
        unroll = engine_for(name, cell)
        runs[name] = lambda x, unroll=unroll: unroll(cell, x)[1][0]
    if fast == "torch":
        module = to_torch(cell)
        runs["bare module"] = lambda x: module(x)[0][:, -1]
    return runs


def timed(run: Run, x: Tensor) -> tuple[float, Tensor]:
    """Return milliseconds, forward and backward, and the gradient with respect to the inputs."""
    given = x.clone().requires_grad_()
    start = time.perf_counter()
    run(given).sum().backward()
    took = 1e3 * (time.perf_counter() - start)
    assert given.grad is not None
    return took, given.grad


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("| cell | T | B | eager (ms) | engine | ms | eager / engine | bare module (ms) | engine / bare |")
    print("|---|---|---|---|---|---|---|---|---|")
    for make in (LSTMCell, GRUCell, RNNCell, MinLSTMCell, MinGRUCell, LRUCell):
        for T, B in SIZES:
            torch.manual_seed(0)
            runs = contenders(make(2, H))
            x = torch.randn(B, T, 2)
            first = {name: timed(run, x)[1] for name, run in runs.items()}
            for name, gradient in first.items():
                torch.testing.assert_close(gradient, first["eager"], rtol=1e-3, atol=1e-6, msg=name)
            best = {name: min(times) for name, times in _interleaved(runs, x).items()}
            eager, (fast, took) = best["eager"], list(best.items())[1]
            bare = best.get("bare module")
            last = "- | -" if bare is None else f"{bare:.2f} | {took / bare:.2f}"
            print(f"| {make.__name__} | {T} | {B} | {eager:.2f} | {fast} | {took:.2f} | {eager / took:.1f} | {last} |")


def _interleaved(runs: dict[str, Run], x: Tensor) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times[name].append(timed(run, x)[0])
    return times


if __name__ == "__main__":
    main()
