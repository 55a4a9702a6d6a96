"""The default run against bare PyTorch loops over the same model and data: milliseconds a step, side by side.

``make bench`` runs it. The default run is timed whole: Lightning, validation, checkpoints, the error flow, metrics.csv
and W&B's offline file. A bare loop has none of that: loss, backward, Adam; there is one over the eager loop of the
cell, one over PyTorch's fused module and one over the native engine. All take the same number of steps and are run in
turn, in another order each round; the ratios are taken round by round.
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

from longlag.runs import RunFolder
from longlag.settings.compose import settings_of
from longlag.settings.plan import plan_of
from longlag.training.run import train_run
from longlag.training.run_plan import RunPlan

BARE = ("eager", "torch", "native")


def plan(folder: Path, overrides: list[str]) -> RunPlan:
    """Return the default run, which goes on to its last step whether it is solved or not."""
    return plan_of(settings_of(["stop_when_solved=false", *overrides]), RunFolder(folder), Console(quiet=True))


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
    """Print a line a round, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for longlag train")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    names = ["default run", *(f"bare {engine}" for engine in BARE)]
    print(f"{options.steps} steps; milliseconds a step\nround  {'  '.join(f'{name:>12}' for name in names)}")
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        default_run(plan(Path(folder) / "warm", ["trainer.max_steps=20", *options.overrides]))
        for k in range(options.rounds):
            taken = {}
            for name in names[k % len(names) :] + names[: k % len(names)]:
                engine = name.removeprefix("bare ")
                chosen = [f"trainer.max_steps={options.steps}", *options.overrides]
                chosen += [f"engine={engine}"] if engine in BARE else []
                made = plan(Path(folder) / f"{k}-{engine}", chosen)
                taken[name] = bare_loop(made, options.steps) if engine in BARE else default_run(made)
            rounds.append({name: 1e3 * seconds / options.steps for name, seconds in taken.items()})
            print(f"{k + 1:5}  {'  '.join(f'{rounds[-1][name]:12.2f}' for name in names)}", flush=True)
    print(f"  med  {'  '.join(f'{statistics.median(taken[name] for taken in rounds):12.2f}' for name in names)}")
    for name in names[1:]:
        found = [taken[name] / taken["default run"] for taken in rounds]
        low, median, high = min(found), statistics.median(found), max(found)
        print(f"{name} / default run: min {low:.2f}, median {median:.2f}, max {high:.2f}")


if __name__ == "__main__":
    main()
