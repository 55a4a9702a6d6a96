"""``optimizer=online`` on the command line: alone, in grids, gone on with, and what it refuses."""

import json
from pathlib import Path

import pytest

ONE = ("task=adding", "task.splits.batch_size=1", "optimizer=online", "probe=none")
SIZES = ("task.splits.val_size=8", "task.splits.test_size=8", "trainer.max_steps=40", "trainer.val_check_interval=20")


def runs():
    return sorted(Path("outputs/default").iterdir())


def curves(folder):
    return (folder / "metrics.csv").read_text()


def test_a_run_trains_by_itself_and_goes_on(longlag, tiny):
    said = longlag("train", *tiny, *ONE, *SIZES)
    assert (said.code, "not solved in 40 steps" in said.err) == (0, True)
    said = longlag("train", *tiny, *ONE, *SIZES, "trainer.max_steps=60")
    assert (said.code, "goes on from 40 to 60 steps" in said.err) == (0, True)
    (run,) = runs()
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["steps"], summary["sequences"], summary["state"]) == (60, 60, "done")


def test_a_grid_trains_as_a_population_and_gives_what_each_run_gives_alone(longlag, tiny):
    grid = ("seed=0,1", "optimizer.lr=0.1,0.02")
    said = longlag("train", "-m", *tiny, *ONE, *SIZES, *grid)
    assert (said.code, "4 runs as one population" in said.err) == (0, True)
    together = {run.name: curves(run) for run in runs()}
    assert len(together) == len(set(together.values())) == 4
    said = longlag("train", "-m", *tiny, *ONE, *SIZES, *grid, "population=1", "output_dir=alone")
    assert (said.code, "population" in said.err) == (0, False)
    assert {run.name: curves(run) for run in Path("alone/default").iterdir()} == together


def test_runs_that_change_their_weights_at_other_times_form_populations_of_their_own(longlag, tiny):
    updates = ("cell=lstm_1997", "optimizer.update=sequence,step", "seed=0,1")
    said = longlag("train", "-m", *tiny, *ONE, *SIZES, *updates, "--dry-run")
    assert said.code == 0
    assert said.out.count("in a population of 2, lstm_1997 adding T=8:") == 2


REFUSED = {
    "task.splits.batch_size=4": "task.splits.batch_size must be 1, got 4",
    "trainer.gradient_clip_val=1": "trainer.gradient_clip_val must be null, got 1",
    "trainer.accumulate_grad_batches=2": "but trainer.accumulate_grad_batches=2",
    "trainer.precision=bf16-mixed": "but trainer.precision=bf16-mixed",
    "engine=eager": "but engine=eager",
    "+callbacks.mine._target_=lightning.pytorch.callbacks.LearningRateMonitor": "but callbacks.mine is a callback of",
    "trainer.devices=2": "task.splits.batch_size must be a multiple of the 2 devices",
    "task=adding_sum": "AddingSum has one of its own",
    "task=latch": "Latch has one of its own",
    "cell=mlstm": "on-line learning in the native engine takes",
    "model.layers=2": "on-line learning in the native engine takes one layer, not 2",
    "optimizer.lr=-1": "optimizer: lr must be a number of at least 0, got -1",
    "optimizer.update=step": "update=step want an error that flows through the memory alone",
    "optimizer.way=forth": "optimizer: way must be auto or back or traces, got 'forth'",
}


@pytest.mark.parametrize("setting", REFUSED)
def test_what_it_cannot_do_is_refused_in_a_line(setting, longlag, tiny):
    said = longlag("train", *tiny, *ONE, setting)
    assert said.code == 2
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert REFUSED[setting] in line
    assert not Path("outputs").exists()
