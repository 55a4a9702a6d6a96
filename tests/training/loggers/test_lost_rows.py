"""A run that goes on sends W&B the rows that the process before it took along."""

import os

import pytest
from offline_wandb import merged, read_offline

from longlag.runs.metrics_csv import read_metrics
from longlag.training.run import train_run
from longlag.wandb_internals import last_step

FURTHER = ("logger=wandb", "stop_when_solved=false", "trainer.max_steps=12")


def steps_of(run):
    return [row["_step"] for row in run.history]


def contents(folder):
    return [path.read_bytes() for path in folder.glob("wandb/offline-run-*/run-*.wandb")]


def figures(rows):
    return {step: row.get("val/acc") for step, row in rows.items()}


@pytest.mark.parametrize("share", [1.0, 0.9, 0.6, 0.3, 0.01])
def test_rows_that_a_killed_process_took_along_are_sent_again(plan, share):
    made = plan("logger=wandb", "stop_when_solved=false")
    train_run(made)
    (file,) = made.folder.path.glob("wandb/offline-run-*/run-*.wandb")
    os.truncate(file, int(share * file.stat().st_size))
    kept = last_step(contents(made.folder.path))
    assert kept == (6 if share == 1.0 else kept)
    assert train_run(plan(*FURTHER)).state == "done"
    parts = read_offline(made.folder.path, closed=False)
    rows = read_metrics(made.folder.metrics)
    whole = {row["_step"]: row for row in merged(parts).history}
    assert figures(whole) == figures(rows)
    assert [step for step in steps_of(parts[-1]) if step <= 6] == [
        step for step in rows if step <= 6 and step > (-1 if kept is None else kept)
    ]


def test_a_run_that_began_without_wandb_brings_all_its_rows(plan):
    made = plan("logger=csv", "stop_when_solved=false")
    train_run(made)
    assert last_step(contents(made.folder.path)) is None
    train_run(plan(*FURTHER))
    (run,) = read_offline(made.folder.path)
    rows = read_metrics(made.folder.metrics)
    assert figures({row["_step"]: row for row in run.history}) == figures(rows)


def test_the_last_step_is_that_of_an_independent_reader(plan):
    made = plan("logger=wandb", "trainer.val_check_interval=1")
    train_run(made)
    (run,) = read_offline(made.folder.path)
    assert last_step(contents(made.folder.path)) == max(steps_of(run)) == 6
