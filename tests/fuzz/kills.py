"""A grid that is ended at a random moment by random signals, and typed again."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch
from processes import assert_gone, processes_of

from longlag.runs import read_study

GRID = (
    "train", "-m", "seed=range(4)", "task.T=12", "cell.hidden_size=4", "trainer.max_steps=200",
    "trainer.val_check_interval=10", "stop_when_solved=false", "logger=wandb",
)  # fmt: skip
LAUNCHERS = ((), ("hydra/launcher=local", "hydra.launcher.jobs=2"))
WAYS = ("INT", "TERM", "HUP", "KILL", "INT INT", "TERM TERM", "INT TERM", "INT of the group", "INT INT of the group")


def weights(folder: Path, study: str) -> dict[int, dict[str, torch.Tensor]]:
    """Return the last weights of each run, by its seed."""
    return {
        run.config["seed"]: torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"]
        for run in read_study(folder / "outputs" / study)
    }


def cut_once(folder: Path, draw: random.Random) -> tuple[str, int, str]:
    """Start the grid, end it at a random moment, and return how, its exit code and what it printed."""
    launcher, way = draw.choice(LAUNCHERS), draw.choice(WAYS)
    process = subprocess.Popen(
        [sys.executable, "-m", "longlag", *GRID, *launcher, "study=cut"],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    wait = draw.uniform(0.5, 14)
    time.sleep(wait)
    for name in way.removesuffix(" of the group").split():
        number = signal.Signals[f"SIG{name}"]
        try:
            os.killpg(process.pid, number) if way.endswith("group") else process.send_signal(number)
        except ProcessLookupError:
            break
        time.sleep(draw.uniform(0, 0.5))
    try:
        printed, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    how = f"{' '.join(launcher) or 'one after the other'}, {way} after {wait:.2f} s"
    assert_gone(process.pid)
    assert not processes_of(process.pid)
    return how, process.returncode, printed


def expected_codes(how: str) -> set[int]:
    """Return the exit codes that a cut grid may have: 1, 0 if it was faster, or the signal of a process that ends."""
    names = how.split(", ")[1].split(" of ")[0].split(" after")[0].split()
    return {0, 1, *(-signal.Signals[f"SIG{name}"] for name in names)}
