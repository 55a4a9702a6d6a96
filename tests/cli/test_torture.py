"""A grid that everything happens to: it ends, nothing runs twice, and every file says what is true."""

import json
import random
import signal
import sys
import time
from collections import Counter

import pytest
import torch
from offline_wandb import merged, read_offline
from printed import runs
from processes import assert_gone, started

from longlag.runs import read_study
from longlag.runs.claim import holder_of
from longlag.runs.error_flow_csv import read_error_flow
from longlag.runs.metrics_csv import read_metrics

#: What befalls the runs, by their seeds; the third of these happens once only. Every end of a training is written down.
MISHAPS = """
import os, signal
from pathlib import Path
import torch
from lightning.pytorch.callbacks import Callback

HERE = Path(__file__).parent


class Mishaps(Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if trainer.global_step != 13 or os.environ.get("QUIET"):
            return
        if module.seed == 3:
            raise RuntimeError("not today")
        if module.seed == 5:
            with torch.no_grad():
                module.model.readout.weight.fill_(float("nan"))
        if module.seed == 7 and not (HERE / "killed").exists():
            (HERE / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def on_test_end(self, trainer, module):
        with (HERE / "ended.txt").open("a") as file:
            file.write(f"{trainer.default_root_dir}\\n")
"""
GRID = (
    "train", "-m", "seed=range(12)", "task.T=20", "cell.hidden_size=8", "trainer.max_steps=60",
    "trainer.val_check_interval=10", "stop_when_solved=false", "+callbacks.mishaps._target_=mishaps.Mishaps",
)  # fmt: skip
FAILS, DIVERGES, KILLS_ITSELF = 3, 5, 7


def by_seed(study):
    return {run.config["seed"]: run for run in runs(study)}


def weights(run):
    return torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"]


def killed_at_a_random_moment(arguments, folder, draw):
    """Start the grid, and kill it after a while: its workers too are gone then, if it has any."""
    with started(*arguments, cwd=folder) as process:
        runs_before = len(list((folder / "outputs").glob("cut/*/status.json")))
        deadline = time.monotonic() + 120
        while len(list((folder / "outputs").glob("cut/*/status.json"))) < runs_before + 2 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert_gone(process.pid)


def trainings(folder):
    """How often a training came to its end, by the folders of the runs."""
    path = folder / "ended.txt"
    return Counter(path.read_text().split() if path.exists() else [])


def trainings_of_those_that_are_over(folder, before):
    """The same of the runs that are over; those that were before had no other."""
    ended = trainings(folder)
    assert all(ended[name] == count for name, count in before.items())
    study = read_study(folder / "outputs" / "cut")
    over = [str(run.folder.path.relative_to(folder)) for run in study if run.status.finished]
    return {name: ended[name] for name in over}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The runs of the same grid, to which nothing happens, by their seeds."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "mishaps.py").write_text(MISHAPS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QUIET", "1")
        with started(*GRID, "study=whole", "logger=csv", cwd=folder) as process:
            process.communicate(timeout=300)
    assert process.returncode == 0
    return by_seed(folder / "outputs" / "whole")


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [pytest.param((), marks=pytest.mark.long), ("hydra/launcher=local", "hydra.launcher.jobs=2")],
    ids=["basic", "local"],
)
def test_a_grid_ends_whatever_happens_to_it(longlag, tmp_path, whole, launcher):
    """One run after the other, and two at once: what kills its process kills the whole command, or one worker of it."""
    (tmp_path / "mishaps.py").write_text(MISHAPS)
    grid = (*GRID, *launcher, "study=cut", "logger=wandb")
    draw, over = random.Random(0), {}
    for _ in range(2):
        killed_at_a_random_moment(grid, tmp_path, draw)
        over = trainings_of_those_that_are_over(tmp_path, over)
    for _ in range(2):  # the run that kills its process does so once, and then is gone on with
        killed_before = (tmp_path / "killed").exists()
        with started(*grid, cwd=tmp_path) as process:
            said = process.communicate(timeout=300)
            assert_gone(process.pid)
        over = trainings_of_those_that_are_over(tmp_path, over)
        if killed_before:
            break
        worker_died = "failed: its process was killed by SIGKILL" in said[1]
        assert worker_died if launcher else process.returncode == -signal.SIGKILL
    assert process.returncode == 1
    assert (tmp_path / "killed").exists()
    cut = by_seed("outputs/cut")
    assert sorted(cut) == list(range(12))

    expected = {FAILS: "failed", DIVERGES: "diverged"}
    assert {seed: run.status.state for seed, run in cut.items()} == {seed: expected.get(seed, "done") for seed in cut}
    assert cut[FAILS].status.reason == "RuntimeError: not today (mishaps.py, line 15)"
    assert "Traceback" in cut[FAILS].folder.log.read_text()
    assert all(holder_of(run.folder.path) is None for run in cut.values())
    ended = trainings(tmp_path)
    assert len(ended) == 10
    most = 2 * (2 if launcher else 1)  # runs that were killed with the command
    assert ended.total() - 10 <= most  # between the end of its training and its last word

    killed_late = []  # after their last validation, of which W&B may then have nothing
    for seed in set(cut) - {FAILS, DIVERGES}:
        one, other = whole[seed], cut[seed]
        assert all(torch.equal(values, weights(other)[name]) for name, values in weights(one).items()), seed
        assert read_metrics(one.folder.metrics) == read_metrics(other.folder.metrics)
        assert read_error_flow(one.folder.error_flow) == read_error_flow(other.folder.error_flow)
        parts = read_offline(other.folder.path, closed=False)
        mirrored = {row["_step"]: row["val/acc"] for row in merged(parts).history if "val/acc" in row}
        metrics = {step: row["val/acc"] for step, row in read_metrics(other.folder.metrics).items() if "val/acc" in row}
        assert mirrored.items() <= metrics.items()  # W&B keeps nothing of the last moments of a process that is killed
        assert (parts[-1].exit_code, parts[-1].summary["state"], parts[-1].summary["steps"]) == (0, "done", 60)
        if any("val/acc" in row for row in parts[-1].history):
            assert max(mirrored) == 60
        else:
            killed_late.append(seed)
        if len(list(other.folder.path.glob("wandb/offline-run-*"))) == 1:
            assert mirrored == metrics

    assert len(killed_late) <= most
    assert "not ended: 1 of 12 runs" in said[0]
    assert "this goes on with them: longlag train -m" in said[0]
    rows = json.loads(longlag("runs", "outputs/cut", "--json").out)
    assert {row["seed"]: row["state"] for row in rows} == {seed: run.status.state for seed, run in cut.items()}
    sys.modules.pop("mishaps", None)
