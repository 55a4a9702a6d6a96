"""A grid as populations against the same grid run by run: seconds from the typed command to the table.

Each round runs the ways in turn. The runs of the slow ways may be fewer; their time is scaled, without the start, which
is measured by a command that finds every run ended.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from longlag.launch.local.slots import cores
from longlag.runs.provenance import processor

#: name -> what is typed for it; 600 steps without an early stop
GRIDS = {
    "small": ["cell.hidden_size=16", "task.splits.batch_size=32", "trainer.max_steps=600", "stop_when_solved=false"],
    "default": ["trainer.max_steps=600", "stop_when_solved=false"],
}
#: way -> what is typed for it
WAYS = {
    "populations, local": ["hydra/launcher=local"],
    "run by run, local": ["hydra/launcher=local", "population=1"],
    "run by run, eager": ["population=1", "engine=eager"],
}


def seconds(arguments: list[str], folder: Path) -> float:
    """Return how long a grid takes, which must end well."""
    start = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", "longlag", "train", "-m", *arguments],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    if ended.returncode:
        raise SystemExit(ended.stderr)
    return time.perf_counter() - start


def whole(grid: list[str], way: list[str], measured: int, runs: int) -> float:
    """Return the seconds of a grid, scaled from the runs that are measured to all of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        typed = [*grid, *way, f"seed=range({measured})"]
        taken = seconds(typed, folder)
        if measured == runs:
            return taken
        start = seconds(typed, folder)  # all have run
        shutil.rmtree(folder / "outputs")
    return start + (taken - start) * runs / measured


def main() -> None:
    """Print a table for each grid."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grid", choices=[*GRIDS], action="append", help="which grid (default: all)")
    parser.add_argument("--runs", type=int, default=200, help="of the grid (default: 200)")
    parser.add_argument("--measured", type=int, help="so many of the runs, run by run (default: all)")
    parser.add_argument("--eager", type=int, default=4, help="so many of the runs by the eager loop (default: 4)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--logger", default="wandb", help="default: wandb, offline")
    options = parser.parse_args()
    print(f"{processor() or platform.machine()}, {cores()} cores; logger={options.logger}")
    counts = dict(zip(WAYS, (options.runs, options.measured or options.runs, options.eager), strict=True))
    for name in options.grid or GRIDS:
        grid = [*GRIDS[name], f"logger={options.logger}"]
        taken: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(options.rounds):
            for way, typed in WAYS.items():
                taken[way].append(whole(grid, typed, counts[way], options.runs))
        first = statistics.median(taken["populations, local"])
        for way, times in taken.items():
            middle = statistics.median(times)
            of = "" if counts[way] == options.runs else f", scaled from {counts[way]} runs"
            spread = f"{min(times):.0f} to {max(times):.0f}"
            print(f"{name}, {options.runs} runs, {way}: {middle:.0f} s ({spread}), {middle / first:.1f} times{of}")


if __name__ == "__main__":
    main()
