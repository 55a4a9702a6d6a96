"""Drawing a batch against training on it: 256 sequences of every task at T=100, an LSTM of 32 units.

``make bench-drawing`` runs it. Drawing and one training step (forward, backward, Adam) are timed in turn on the same
batches; the table has the medians, the sequences drawn in a second, and the ratio of the two times.
"""

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from longlag import build_model, build_task, compose
from longlag.settings.compose import conf_dir


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long a piece of work takes, and what it returns."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def measure(name: str, T: int, batch_size: int, repeats: int) -> tuple[float, float, int]:
    """Return the median seconds to draw a batch and to train on it, and its number of steps."""
    sizes = (f"task.T={T}", f"task.splits.batch_size={batch_size}", "task.splits.train_size=null")
    settings = compose(f"task={name}", *sizes)
    task = build_task(settings)
    torch.manual_seed(0)
    model = build_model(settings, task)
    optimizer = torch.optim.Adam(model.parameters())

    def train() -> None:
        loss = task.loss(model(batch.inputs, batch.lengths), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    drawing, training = [], []
    for k in range(repeats + 1):
        drawn, batch = seconds(partial(task.train_batch, k))
        trained, _ = seconds(train)
        if k > 0:  # the first one warms up
            drawing.append(drawn)
            training.append(trained)
    return statistics.median(drawing), statistics.median(training), batch.inputs.shape[1]


def main() -> None:
    """Print a line for each task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--T", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"T={options.T}, {options.batch_size} sequences; milliseconds a batch")
    print(f"{'task':26} {'steps':>6} {'draw':>8} {'train':>9} {'ratio':>7} {'sequences/s':>12}")
    for path in sorted(conf_dir().glob("task/*.yaml")):
        drawn, trained, steps = measure(path.stem, options.T, options.batch_size, options.repeats)
        rate = f"{options.batch_size / drawn:,.0f}"
        ratio = drawn / trained
        print(f"{path.stem:26} {steps:6} {1000 * drawn:8.2f} {1000 * trained:9.1f} {ratio:7.3f} {rate:>12}", flush=True)


if __name__ == "__main__":
    main()
