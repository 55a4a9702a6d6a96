"""A grid of default runs, one after the other against several at once: seconds of wall time, side by side.

The grids are typed as a person would, each in processes of its own, start-up and report among the time. They are run in
turn, each of them first in every other pair, and the ratio is taken pair by pair. ``stop_when_solved=false``, so that
the work is the same whatever is solved. The basic launcher has one thread, which is faster for nets this small; with
``--threads`` it has more. The cost of a run beside its training is measured too: a run of one step in a process of its
own, and one more in a grid whose workers are warm.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from longlag.launch.local.slots import cores


def seconds(arguments: list[str], threads: int) -> float:
    """Return how long a command takes, which must end well."""
    command = [sys.executable, "-m", "longlag", "train", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "WANDB_MODE": "offline"}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        said = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        taken = time.perf_counter() - start
        assert said.returncode == 0, said.stderr
        assert not list(Path(folder).glob("outputs/*/*/claim.json"))
    return taken


def start_up(overrides: list[str]) -> tuple[float, float, float]:
    """Return the seconds of a run of one step in its own process, of one more in a basic grid, and in a warm worker."""
    one = ["trainer.max_steps=1", "trainer.val_check_interval=1", *overrides]
    few, many = 2, 12
    cold = statistics.median(seconds(one, 1) for _ in range(3))
    more = []
    for launcher in (["hydra/launcher=basic"], ["hydra/launcher=local", "hydra.launcher.jobs=1"]):
        taken = [seconds(["-m", *one, *launcher, f"seed=range({n})"], 1) for n in (few, many)]
        more.append((taken[1] - taken[0]) / (many - few))
    return cold, more[0], more[1]


def main() -> None:
    """Print a line a pair, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=16, help="of the grid (default: 16)")
    parser.add_argument("--steps", type=int, default=600, help="of each run (default: 600, as by default)")
    parser.add_argument("--jobs", type=int, default=cores(), help="at once (default: the cores)")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of the basic launcher (default: 1)")
    parser.add_argument("--no-start-up", action="store_true", help="leave the start-up out")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for longlag train")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {cores()} cores, torch {torch.__version__}")
    if not options.no_start_up:
        cold, basic, warm = start_up(options.overrides)
        print(
            f"a run of one step: {cold:.2f} s in a process of its own; one more in a grid: {basic:.2f} s with the basic"
            f" launcher, {warm:.2f} s in a warm worker",
            flush=True,
        )
    grid = ["-m", f"seed=range({options.runs})", "stop_when_solved=false", f"trainer.max_steps={options.steps}"]
    at_once = ["hydra/launcher=local", f"hydra.launcher.jobs={options.jobs}"]
    print(
        f"{options.runs} runs of {options.steps} steps, {options.jobs} at once; seconds\npair    basic    local  ratio"
    )
    pairs = []
    for k in range(options.pairs):
        taken = {}
        for name in ("basic", "local") if k % 2 == 0 else ("local", "basic"):
            launcher, threads = (at_once, 1) if name == "local" else ([], options.threads)
            taken[name] = seconds([*grid, *launcher, *options.overrides], threads)
        pairs.append((taken["basic"], taken["local"], taken["local"] / taken["basic"]))
        print(f"{k + 1:4} {pairs[-1][0]:8.1f} {pairs[-1][1]:8.1f}  {pairs[-1][2]:5.3f}", flush=True)
    ratios = [ratio for *_, ratio in pairs]
    print(f"ratio: min {min(ratios):.3f}, median {statistics.median(ratios):.3f}, max {max(ratios):.3f}")


if __name__ == "__main__":
    main()
