"""Grids whose jobs train as populations, in this process."""

import json
import signal
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from fated import SOURCE, TASK
from printed import runs, table
from processes import started

from longlag.launch.populations import divided, summary
from longlag.runs.claim import Owner, holder_of
from longlag.runs.metrics_csv import read_metrics
from longlag.settings.compose import settings_of
from longlag.settings.names import folder_name

GRID = ("train", "-m", "task.T=8", "cell.hidden_size=4", "trainer.max_steps=6", "trainer.val_check_interval=2",
        "logger=csv")  # fmt: skip


@pytest.fixture
def fates(tmp_path, monkeypatch):
    """The reader's task, importable here."""
    (tmp_path / "fates.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield TASK
    sys.modules.pop("fates", None)


def states(study="outputs/default"):
    return {run.config["seed"]: run.status.state for run in runs(study)}


def test_jobs_of_a_kind_are_divided_among_processes():
    kinds = ["a", "b", "", "a", "b", "a", ""]
    assert divided(kinds, lambda jobs, at_once: 1, 8) == [[0, 3, 5], [1, 4], [2], [6]]
    assert divided(kinds, lambda jobs, at_once: 2, 8) == [[0, 5], [1], [2], [3], [4], [6]]
    assert divided(kinds, lambda jobs, at_once: -(-jobs // at_once), 2) == [[0, 5], [1, 4], [2], [3], [6]]
    assert divided([], lambda jobs, at_once: 1, 8) == []


def named(**run):
    return {"run": {"cell": "lstm", "task": "delayed_xor", "T": 60, **run}}


def test_the_line_says_what_was_formed():
    by_lag = [[named(T=T)] * 50 for T in (20, 60, 100)]
    assert summary(by_lag) == "150 runs as 3 populations: T=20, 60, 100"
    assert summary([*by_lag[:1], [named()]]) == "50 runs as one population: lstm delayed_xor T=20; 1 alone"
    assert summary([[named()] * 2, [named()] * 2]) == "4 runs as 2 populations: lstm delayed_xor T=60"
    cells = [[named(cell=cell)] * 2 for cell in ("lstm", "gru")]
    assert summary(cells) == "4 runs as 2 populations: lstm delayed_xor T=60, gru delayed_xor T=60"
    many = [[named(T=T)] * 2 for T in range(8)]
    assert summary(many) == "16 runs as 8 populations: T=0, 1, 2, 3, 4, 5 and 2 more"
    assert summary([[named()]]) == summary([]) == ""


def test_a_grid_does_the_same_as_populations(longlag):
    """The same folders, lines, table and exit code as one run after the other, and one line more."""
    grid = (*GRID, "task.T=8,9", "seed=range(3)")
    alone = longlag(*grid, "study=one", "population=1")
    said = longlag(*grid, "study=two")
    assert (alone.code, said.code) == (0, 0)
    first, *lines = said.err.splitlines()
    assert first == "6 runs as 2 populations: T=8, 9"
    assert [line.rsplit(",", 1)[0] for line in sorted(lines)] == [
        line.rsplit(",", 1)[0] for line in alone.err.splitlines()
    ]
    assert [row[:-1] for row in table(said)] == [row[:-1] for row in table(alone)]
    for one, other in zip(runs("outputs/one"), runs("outputs/two"), strict=True):
        assert one.folder.path.name == other.folder.path.name
        assert "population" not in other.config
        assert {**one.config, "study": ""} == {**other.config, "study": ""}
        assert {path.name for path in one.folder.path.iterdir()} == {path.name for path in other.folder.path.iterdir()}
        assert holder_of(other.folder.path) is None


def test_a_number_is_the_most_members_at_once_and_one_trains_each_alone(longlag):
    assert "4 runs as one population" in longlag(*GRID, "seed=range(4)", "population=3", "study=three").err
    assert "population" not in longlag(*GRID, "seed=range(4)", "population=1", "study=one").err
    assert set(states("outputs/three").values()) == set(states("outputs/one").values()) == {"done"}


def test_what_ran_already_is_left_alone_and_the_rest_trains(longlag):
    longlag(*GRID, "seed=0,1")
    said = longlag(*GRID, "seed=range(4)")
    assert said.code == 0
    assert said.err.count("ran already: not solved") == 2
    assert "2 runs as one population: lstm delayed_xor T=8\n" in said.err
    assert states() == dict.fromkeys(range(4), "done")
    said = longlag(*GRID, "seed=range(5)")
    assert " population" not in said.err, "one run that is left has nothing to join"
    said = longlag(*GRID, "seed=range(5)", "fresh=true")
    assert said.err.count("the run before is now ") == 5
    said = longlag(*GRID, "seed=0,1", "trainer.max_steps=8")
    assert said.err.count("goes on from 6 to 8 steps") == 2


def test_a_repeated_run_is_trained_once(longlag):
    said = longlag(*GRID, "seed=0,1,0", "study=again")
    assert said.code == 0
    assert "[3/3] the same run as one before in this grid" in said.err
    assert "2 runs as one population" in said.err
    assert len(runs("outputs/again")) == 2


def test_a_member_whose_run_is_held_is_left_alone(longlag, tmp_path):
    held = tmp_path / "outputs" / "default" / folder_name(settings_of([*GRID[2:], "seed=1"]))
    held.mkdir(parents=True)
    (held / "claim.json").write_text(json.dumps(asdict(replace(Owner.me(), host="another.machine", boot="", pid=1))))
    said = longlag(*GRID, "seed=0,1,2")
    assert said.code == 1
    assert "[2/3] longlag: " in said.err
    assert "is being run by process 1 on another.machine\n" in said.err
    assert states() == {0: "done", 2: "done"}
    assert (held / "claim.json").exists()
    assert "not ended: 1 of 3 runs" in said.out


def test_a_member_that_fails_costs_itself_alone(longlag, fates):
    said = longlag(*GRID, *fates, "+task.fails=1", "seed=0,1,2")
    assert said.code == 1
    assert "3 runs as one population" in said.err
    assert "[2/3] lstm Fated T=8 b=1 seed=1: failed: RuntimeError: not today (fates.py, line " in said.err
    assert states() == {0: "done", 1: "failed", 2: "done"}
    assert "Traceback" not in said.err


def test_with_fail_fast_no_member_begins_after_the_first_failure(longlag, fates):
    said = longlag(*GRID, *fates, "+task.fails=1", "seed=range(4)", "fail_fast=true", "population=2")
    assert said.code == 1
    found = states()
    assert found[1] == "failed"
    assert set(found.values()) <= {"failed", "done", "interrupted"}
    assert 3 not in found
    assert ": not begun\n" in said.out
    assert "longlag: interrupted" not in said.err


def test_jobs_that_cannot_join_train_alone_in_their_place(longlag):
    said = longlag(*GRID, "engine=auto,eager", "seed=0,1", "study=mixed")
    assert said.code == 0
    assert "2 runs as one population: lstm delayed_xor T=8; 2 alone\n" in said.err
    assert len(runs("outputs/mixed")) == 4


@pytest.mark.parametrize("value", ["0", "-1", "many", "true", "1.5", "null"])
def test_a_wrong_value_costs_one_line(longlag, value):
    for command in (GRID, ("train", *GRID[2:])):
        said = longlag(*command, f"population={value}", "seed=0")
        assert said.code == 2
        assert said.err.startswith("longlag: population must be auto, 1 (each run alone) or a larger integer, got ")
        assert said.err.count("\n") == 1
    assert not Path("outputs").exists()


def test_it_is_no_axis_of_a_grid(longlag):
    said = longlag(*GRID, "population=1,2")
    assert said.code == 2
    assert said.err == "longlag: population is a setting of the whole grid: give one value, and in the command\n"


def test_without_a_grid_it_changes_nothing(longlag):
    assert longlag("train", *GRID[2:], "population=7").code == 0
    said = longlag("train", *GRID[2:])
    assert "ran already: not solved" in said.err
    assert "population" not in runs()[0].config


CUT = (
    "train", "-m", "task.T=40", "cell.hidden_size=8", "trainer.max_steps=400", "trainer.val_check_interval=10",
    "logger=csv", "seed=0,1,2",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL],
    ids=lambda number: number.name,
)
def test_a_signal_stops_a_population_and_the_same_command_goes_on(longlag, tmp_path, number):
    """Each member that trains saves its step; those that wait are not begun."""
    study = tmp_path / "outputs" / "cut"
    with started(*CUT, "study=cut", cwd=tmp_path) as process:
        deadline = time.monotonic() + 60
        while not list(study.glob("*/checkpoints/last.ckpt")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    found = list(states(study).values())
    if number == signal.SIGKILL:
        assert set(found) <= {"running", "done"}
    else:
        assert process.returncode == 1
        assert err.endswith("longlag: interrupted\n")
        assert "3 runs as one population" in err
        assert "Traceback" not in err
        assert "this goes on with them: longlag train -m task.T=40" in out
        assert found.count("interrupted") >= 1
        assert set(found) <= {"interrupted", "done"}
    assert longlag(*CUT, "study=cut").code == 0
    assert longlag(*CUT, "study=whole").code == 0
    for one, other in zip(runs("outputs/whole"), runs(study), strict=True):
        weights = [torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"] for run in (one, other)]
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
        assert read_metrics(one.folder.metrics) == read_metrics(other.folder.metrics)


@pytest.mark.filterwarnings("ignore:The ``declarative_base:DeprecationWarning")  # of Optuna's import
def test_the_guesses_of_a_search_that_are_made_together_train_together(longlag, monkeypatch):
    search = ("experiment=search_forget_bias", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2", "study=search")
    said = longlag(*GRID, *search)
    assert said.code == 0, said.err
    assert said.err.count("2 runs as one population: lstm delayed_xor T=8\n") == 1
    assert len(runs("outputs/search")) == 4
    assert "best: " in said.out
    alone = longlag(*GRID, *search[:-1], "study=alone", "population=1")
    assert [run.folder.path.name for run in runs("outputs/alone")] == [
        r.folder.path.name for r in runs("outputs/search")
    ]
    assert alone.out.split("best: ")[1] == said.out.split("best: ")[1]
