"""A grid of many runs: the seconds of its dry run, of ``longlag runs`` on it, and of its page.

The runs are one run of a single step, copied for each seed: to read and list them costs what it would of true ones.
"""

import argparse
import itertools
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from longlag.launch.local.slots import cores
from longlag.runs import RunFolder, read_run
from longlag.settings.names import folder_name

GRID = ["cell.forget_bias=-1,0,1,3,5", "task.T=20,60,100,200"]


def seconds(arguments: list[str], folder: Path) -> float:
    """Return how long a command takes, which must end well."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "longlag", *arguments], cwd=folder, capture_output=True, check=True)
    return time.perf_counter() - start


def copy_out(one: RunFolder, seeds: int) -> int:
    """Copy a run for every job of the grid, and return how many there are."""
    record = read_run(one.path)
    assert record is not None
    study = one.path.parent
    settings, summary = one.read_config(), one.read_summary()
    for bias, T, seed in itertools.product((-1, 0, 1, 3, 5), (20, 60, 100, 200), range(seeds)):
        mine = {
            **settings,
            "seed": seed,
            "cell": {**settings["cell"], "forget_bias": bias},
            "task": {**settings["task"], "T": T},
        }
        copy = RunFolder(study / folder_name(mine))
        if copy.path != one.path:
            shutil.copytree(one.path, copy.path)
        copy.write_config(mine)
        copy.write_summary({**summary, "seed": seed, "T": T, "forget_bias": bias})
    shutil.rmtree(one.path)
    return len(list(study.glob("*/status.json")))


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=25, help="of each of the 20 settings (default: 25)")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {cores()} cores")
    grid = ["train", "-m", *GRID, f"seed=range({options.seeds})", "study=many", "--dry-run"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        planned = [seconds(grid, folder) for _ in range(options.rounds)]
        seconds(["train", "trainer.max_steps=1", "trainer.val_check_interval=1", "study=many", "logger=csv"], folder)
        (one,) = (folder / "outputs" / "many").iterdir()
        count = copy_out(RunFolder(one), options.seeds)
        commands = {"runs": ["runs", "outputs/many"], "report": ["report", "outputs/many"]}
        taken = {what: [seconds(typed, folder) for _ in range(options.rounds)] for what, typed in commands.items()}
    for what, times in {"dry run, none run yet": planned, **taken}.items():
        print(f"{count} jobs, {what}: {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})")


if __name__ == "__main__":
    main()
