"""What the probes cost: the default run with each of them against the same run without any, side by side.

``make bench-probe`` runs it. Every run takes the same steps to the last one, whether it is solved or not; the three
take turns in another order each round, and the ratios are taken round by round.
"""

import argparse
import itertools
import platform
import statistics
import tempfile
from pathlib import Path

import torch
from default_run import default_run, plan

PROBES = ("none", "early_gradient", "error_flow")


def main() -> None:
    """Print a line a round, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for longlag train")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{options.steps} steps; seconds of training\nround  {'  '.join(f'{probe:>14}' for probe in PROBES)}")
    ratios: dict[str, list[float]] = {probe: [] for probe in PROBES}
    with tempfile.TemporaryDirectory() as folder:
        default_run(plan(Path(folder) / "warm", ["trainer.max_steps=20", *options.overrides]))
        for k, order in zip(range(options.rounds), itertools.cycle(itertools.permutations(PROBES)), strict=False):
            seconds = {}
            for probe in order:
                chosen = [f"probe={probe}", f"trainer.max_steps={options.steps}", *options.overrides]
                seconds[probe] = default_run(plan(Path(folder) / f"{k}-{probe}", chosen))
            for probe in PROBES:
                ratios[probe].append(seconds[probe] / seconds["none"])
            shown = (f"{seconds[probe]:7.2f} ({ratios[probe][-1]:.3f})" for probe in PROBES)
            print(f"{k + 1:5}  {'  '.join(shown)}", flush=True)
    for probe in PROBES[1:]:
        low, high = min(ratios[probe]), max(ratios[probe])
        print(f"{probe} / none: min {low:.3f}, median {statistics.median(ratios[probe]):.3f}, max {high:.3f}")


if __name__ == "__main__":
    main()
