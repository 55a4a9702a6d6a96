import json
import os
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from printed import runs
from processes import started, wait_for_checkpoint

from longlag.runs.claim import Owner


def lines(said):
    """What would be done with each run, by the end of its folder's name but for the digest."""
    found = {}
    for line in said.out.split("\n\n")[0].splitlines():
        action, folder, *rest = line.split(maxsplit=2)
        found[re.sub(r"-[0-9a-f]{8}$", "", Path(folder).name)] = (action, *rest)
    return found


def test_a_grid_says_what_would_run_go_on_and_be_skipped(longlag, tiny, tmp_path):
    grid = ("train", "-m", *tiny, "seed=range(4)")
    assert longlag("train", "-m", *tiny, "seed=0,1").code == 0
    _, cut = runs()
    cut.folder.write_status(replace(cut.status, state="interrupted"))
    held = tmp_path / "outputs" / "default" / cut.folder.path.name
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    said = longlag(*grid, "--dry-run")
    assert said.code == 0
    found = lines(said)
    name = "lstm-delayed_xor-T8-b1-seed"
    assert found[f"{name}0"] == ("skip", "(not solved)")
    assert found[f"{name}1"] == ("resume", "about 1 s  (interrupted)")
    assert found[f"{name}2"] == found[f"{name}3"] == ("run", "about 1 s")
    assert said.out.endswith(
        "4 jobs: 2 to run, 1 to resume, 1 to skip\n"
        "3 runs as one population: lstm delayed_xor T=8\n"
        "training, one after the other: about 1 s\n"
    )
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before
    cut.folder.last_checkpoint.unlink()
    assert lines(longlag(*grid, "--dry-run"))[f"{name}1"] == ("run", "about 1 s  (interrupted, and no checkpoint)")
    owner = replace(Owner.me(), host="another.machine", boot="", pid=7)
    (held / "claim.json").write_text(json.dumps(asdict(owner)))
    said = longlag(*grid, "--dry-run")
    assert lines(said)[f"{name}1"] == ("held", "(process 7 on another.machine)")
    assert "1 that another process is at" in said.out
    assert lines(longlag(*grid, "fresh=true", "--dry-run"))[f"{name}0"] == (
        "run",
        "about 1 s  (not solved; would be set aside)",
    )


def test_the_time_is_that_of_runs_alike_or_goes_with_steps_and_lag(longlag, tiny):
    assert longlag("train", *tiny).code == 0
    (run,) = runs()
    run.folder.write_summary({**run.summary, "seconds": 600.0})
    said = longlag("train", "-m", *tiny, "task.T=8,16", "trainer.max_steps=6", "seed=1", "population=1", "--dry-run")
    assert [line.split("  ")[-1] for line in said.out.splitlines()[:2]] == ["about 10 min", "about 20 min"]
    said = longlag("train", "-m", *tiny, "cell.hidden_size=5", "seed=1,2", "--dry-run")
    assert said.out.endswith("training, one after the other: no run tells how long\n")
    said = longlag("train", "-m", *tiny, "cell.hidden_size=4,5", "cell.forget_bias=2", "--dry-run")
    assert said.out.endswith("about 10 min, and 1 that no run tells of\n")


def test_a_grid_with_several_seeds_is_summed_up_by_setting(longlag, tiny):
    grid = ("train", "-m", *tiny, "task.T=8,16", "optimizer.lr=0.1,0.2", "seed=range(3)")
    assert longlag("train", *tiny, "optimizer.lr=0.1").code == 0
    _, table, sums = longlag(*grid, "--dry-run").out.split("\n\n")
    heading, *rows = [" ".join(line.split()) for line in table.splitlines()]
    assert heading == "cell task T forget bias optimizer.lr run skip time"
    assert [re.sub("about .*", "about", row) for row in rows] == [
        "lstm delayed_xor 8 1 0.1 2 1 about",
        "lstm delayed_xor 8 1 0.2 3 - about",
        "lstm delayed_xor 16 1 0.1 3 - about",
        "lstm delayed_xor 16 1 0.2 3 - about",
    ]
    assert sums.startswith("12 jobs: 11 to run, 1 to skip")


def test_each_job_is_said_to_train_in_a_population_or_why_alone(longlag, tiny):
    grid = ("train", "-m", *tiny, "cell=lstm,mlstm", "task.T=8,9", "seed=0,1", "--dry-run")
    headings = [line for line in longlag(*grid).out.split("\n\n")[0].splitlines() if line.endswith(":")]
    assert headings == [
        "in a population of 2, lstm delayed_xor T=8:",
        "in a population of 2, lstm delayed_xor T=9:",
        "alone: cell: the native engine does not run MLSTMCell:",
    ]
    shared_out = longlag(*grid, "hydra/launcher=local", "hydra.launcher.jobs=2", "cell=lstm").out
    assert shared_out.splitlines()[0] == "alone: one to each process:"
    assert longlag(*grid, "cell=lstm", "seed=0").out.splitlines()[0] == "alone: no other job could join it:"
    assert longlag(*grid, "hydra/launcher=slurm", "population=1").out.startswith("run ")
    longlag(*grid[:-1], "cell=lstm", "seed=0")
    said = longlag(*grid, "cell=lstm", "task.T=8", "seed=0,1,2")
    assert said.out.startswith("skip ")
    assert "3 jobs: 2 to run, 1 to skip\n2 runs as one population: lstm delayed_xor T=8\n" in said.out


def test_a_single_run(longlag, tiny):
    said = longlag("train", *tiny, "--dry-run")
    assert said.code == 0
    assert said.out.splitlines()[0].startswith("run    outputs/default/lstm-delayed_xor-T8-b1-seed0-")
    assert not os.listdir()  # noqa: PTH208 -- the current folder
    assert longlag("train", *tiny, "cell.hidden_size=0", "--dry-run").code == 2


def test_a_wrong_grid_is_refused_all_the_same(longlag, tiny):
    said = longlag("train", "-m", *tiny, "cell.hidden_size=4,0", "--dry-run")
    assert (said.code, said.out) == (2, "")
    assert "hidden_size must be a positive integer" in said.err


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_from_its_checkpoint(longlag, tmp_path):
    slow = ("task.T=60", "trainer.max_steps=100000", "trainer.val_check_interval=2", "logger=csv", "cell.hidden_size=4")
    with started("train", *slow, cwd=tmp_path) as process:
        wait_for_checkpoint(process, tmp_path / "outputs" / "default")
        assert lines(longlag("train", *slow, "--dry-run")).popitem()[1][0] == "held"
        process.kill()
        process.wait()
    assert lines(longlag("train", *slow, "--dry-run")).popitem()[1] == ("resume", "time unknown  (running)")


@pytest.mark.parametrize("flag", ["--dryrun", "--dry"])
def test_a_misspelt_flag_is_not_taken_for_a_run(longlag, tiny, flag):
    said = longlag("train", *tiny, flag)
    assert said.code == 2
    assert "did you mean --dry-run" in said.err
