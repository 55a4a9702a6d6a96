"""What the probes cost: the default run with each of them against the same run without any, side by side.

``make bench-probe`` runs it. Every run takes the same steps to the last one, whether it is solved or not; the three
take turns in another order each round, and the ratios are taken round by round. Where two runs of the same thing
differ by more than a probe costs, the last column says more: the share of its own run that was spent in measuring and
recording. What W&B takes is no part of that: it is sent one row a step, with a probe and without.
"""

import argparse
import itertools
import platform
import statistics
import tempfile
import time
from pathlib import Path
from unittest import mock

import torch
from default_run import default_run, plan

from longlag.training.callbacks.probe import Probe
from longlag.training.loggers.wandb_mirror import WandbMirror

PROBES = ("none", "early_gradient", "error_flow")


def timed(folder: Path, overrides: list[str]) -> tuple[float, float]:
    """Return the seconds of a run, and those of them that its probe took."""
    spent = 0.0
    measuring = False
    measure, send = Probe._measure, WandbMirror._send

    def measured(*given) -> None:
        nonlocal spent, measuring
        start, measuring = time.perf_counter(), True
        measure(*given)
        spent, measuring = spent + time.perf_counter() - start, False

    def sent(*given) -> None:
        nonlocal spent
        start = time.perf_counter()
        send(*given)
        spent -= (time.perf_counter() - start) if measuring else 0

    with mock.patch.object(Probe, "_measure", measured), mock.patch.object(WandbMirror, "_send", sent):
        return default_run(plan(folder, overrides)), spent


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
    shares: dict[str, list[float]] = {probe: [] for probe in PROBES}
    with tempfile.TemporaryDirectory() as folder:
        default_run(plan(Path(folder) / "warm", ["trainer.max_steps=20", *options.overrides]))
        for k, order in zip(range(options.rounds), itertools.cycle(itertools.permutations(PROBES)), strict=False):
            seconds = {}
            for probe in order:
                chosen = [f"probe={probe}", f"trainer.max_steps={options.steps}", *options.overrides]
                seconds[probe], spent = timed(Path(folder) / f"{k}-{probe}", chosen)
                shares[probe].append(spent / seconds[probe])
            for probe in PROBES:
                ratios[probe].append(seconds[probe] / seconds["none"])
            shown = (f"{seconds[probe]:7.2f} ({ratios[probe][-1]:.3f})" for probe in PROBES)
            share = f"{100 * shares['error_flow'][-1]:.1f} % in error_flow"
            print(f"{k + 1:5}  {'  '.join(shown)}  {share}", flush=True)
    for probe in PROBES[1:]:
        low, high = min(ratios[probe]), max(ratios[probe])
        print(f"{probe} / none: min {low:.3f}, median {statistics.median(ratios[probe]):.3f}, max {high:.3f}")
        share = [100 * part for part in shares[probe]]
        print(f"spent in it: min {min(share):.1f} %, median {statistics.median(share):.1f} %, max {max(share):.1f} %")


if __name__ == "__main__":
    main()
