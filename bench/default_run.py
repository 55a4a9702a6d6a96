"""The default run against a bare PyTorch loop over the same model and data: milliseconds a step, side by side.

``make bench`` runs it. The default run is timed whole: Lightning, validation, checkpoints, the early gradient,
metrics.csv and W&B's offline file. The bare loop has none of that: loss, backward, Adam. Both take the same number of
steps and are run in turn, several times over, each of them first in every other pair; the ratio is taken pair by pair.
"""

import argparse
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from longlag.cli.assemble import assemble
from longlag.cli.configs import settings_of
from longlag.runs import RunFolder
from longlag.training.run import RunPlan, train_run


def plan(folder: Path, overrides: list[str]) -> RunPlan:
    """Return the default run, which goes on to its last step whether it is solved or not."""
    return assemble(settings_of(["stop_when_solved=false", *overrides]), RunFolder(folder), Console(quiet=True))


def default_run(made: RunPlan) -> float:
    """Return the seconds that training takes, from the first step to the end of the last validation."""
    status = train_run(made)
    assert status.state in ("done", "solved"), status.reason
    seconds: float = made.folder.read_summary()["seconds"]
    return seconds


def bare_loop(made: RunPlan, steps: int) -> float:
    """Return the seconds that the same steps take without anything around them."""
    torch.manual_seed(made.seed)
    model, batch = made.model(), made.task.train_batch(0)
    optimizer: Any = made.optimizer(model.parameters())
    start = time.perf_counter()
    for _ in range(steps):
        loss = made.task.loss(model(batch.inputs, batch.lengths), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def main() -> None:
    """Print a line a pair, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for longlag train")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{options.steps} steps; milliseconds a step\npair  default run  bare loop  ratio")
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        bare_loop(plan(Path(folder) / "warm", options.overrides), 20)
        for k in range(options.pairs):
            made = plan(Path(folder) / str(k), [f"trainer.max_steps={options.steps}", *options.overrides])
            if k % 2 == 0:
                run_s, bare_s = default_run(made), bare_loop(made, options.steps)
            else:
                bare_s, run_s = bare_loop(made, options.steps), default_run(made)
            ours, bare = 1000 * run_s / options.steps, 1000 * bare_s / options.steps
            pairs.append((ours, bare, ours / bare))
            print(f"{k + 1:4}  {ours:11.2f}  {bare:9.2f}  {ours / bare:5.3f}", flush=True)
    medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
    print(f" med  {medians[0]:11.2f}  {medians[1]:9.2f}  {medians[2]:5.3f}")
    ratios = [ratio for *_, ratio in pairs]
    print(f"ratio: min {min(ratios):.3f}, median {medians[2]:.3f}, max {max(ratios):.3f}")


if __name__ == "__main__":
    main()
