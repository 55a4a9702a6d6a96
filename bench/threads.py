"""The native engine on two threads against one: microseconds a step and run, in turn, and the ratio of each pair.

``make bench-engines`` runs it. Forward and backward of several LSTMs at once, which share the threads between them; the
ratios are taken pair by pair, each begun by the other one.
"""

import argparse
import itertools
import statistics
import time

import torch

from longlag.benchmark.contenders import CONTENDERS, Contender
from longlag.benchmark.workload import Size, Workload
from longlag.cells import LSTMCell

NATIVE = next(kind for kind in CONTENDERS if kind.name == "native")


def seconds(contender: Contender, threads: int, calls: int) -> float:
    """Return what a call takes on so many threads, the mean of several."""
    torch.set_num_threads(threads)
    contender.train(0)  # the first one wakes the threads
    start = time.perf_counter()
    for _ in range(calls):
        contender.train(0)
    return (time.perf_counter() - start) / calls


def main() -> None:
    """Print a row a size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=31)
    options = parser.parse_args()
    print("| H | B | T | R | one thread | two threads | ratio |\n|---|---|---|---|---|---|---|")
    for H, R in itertools.product((16, 64), (2, 16, 64)):
        size = Size("lstm", H, B=32, T=100, R=R)
        contender = NATIVE(Workload(size, LSTMCell))
        calls = max(1, round(0.1 / seconds(contender, 1, 3)))
        taken: dict[int, list[float]] = {1: [], 2: []}
        for number in range(options.rounds):
            for threads in (1, 2) if number % 2 else (2, 1):
                taken[threads].append(1e6 * seconds(contender, threads, calls) / size.T / R)
        ratios = [one / two for one, two in zip(taken[1], taken[2], strict=True)]
        one, two, ratio = (statistics.median(figures) for figures in (taken[1], taken[2], ratios))
        row = f"{H} | {size.B} | {size.T} | {R} | {one:.2f} | {two:.2f}"
        print(f"| {row} | {ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f}) |", flush=True)


if __name__ == "__main__":
    main()
