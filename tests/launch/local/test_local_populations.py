"""Populations on several worker processes: ``hydra/launcher=local``."""

import os
import signal
import sys
import time

import pytest
import torch
from fated import SOURCE, TASK
from printed import runs, table
from processes import assert_gone, processes_of, started

from longlag.runs.metrics_csv import read_metrics

LOCAL = ("hydra/launcher=local", "hydra.launcher.jobs=2")
GRID = ("train", "-m", "task.T=8", "cell.hidden_size=4", "trainer.max_steps=6", "trainer.val_check_interval=2",
        "logger=csv")  # fmt: skip


@pytest.fixture
def fates(tmp_path, monkeypatch):
    """The reader's task, importable here and by the workers."""
    (tmp_path / "fates.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield TASK
    sys.modules.pop("fates", None)


def states(study="outputs/default"):
    return {run.config["seed"]: run.status.state for run in runs(study)}


def test_each_worker_trains_its_share_and_the_results_are_the_same(longlag):
    """One line a run, in whatever order they end; what ran already is not sent to a worker."""
    grid = (*GRID, "task.T=8,9", "seed=range(4)")
    alone = longlag(*grid, "study=one", "population=1")
    said = longlag(*grid, "study=two", *LOCAL)
    assert (alone.code, said.code) == (0, 0), said.err
    assert "8 runs as 4 populations: T=8, 9\n" in said.err
    assert [row[:-1] for row in table(said)] == [row[:-1] for row in table(alone)]
    ends = [line for line in said.err.splitlines() if line.startswith("[")]
    assert sorted(line[:5] for line in ends) == [f"[{k}/8]" for k in range(1, 9)]
    assert len({run.status.pid for run in runs("outputs/two")}) == 2
    said = longlag(*grid, "study=two", *LOCAL)
    assert (said.code, said.err.count("ran already: not solved")) == (0, 8)


@pytest.mark.slow
def test_two_jobs_for_two_workers_train_alone(longlag):
    said = longlag(*GRID, "seed=0,1", *LOCAL)
    assert said.code == 0
    assert " population" not in said.err
    assert len({run.status.pid for run in runs()}) == 2


@pytest.mark.slow
def test_a_member_that_fails_costs_itself_and_a_worker_that_dies_all_it_has_not_ended(longlag, fates):
    said = longlag(*GRID, *fates, "+task.fails=2", "+task.kills=3", "seed=range(7)", *LOCAL)
    assert said.code == 1
    found = {run.config["seed"]: run.status for run in runs()}
    assert {seed: status.state for seed, status in found.items() if seed % 2 == 0} == {
        0: "done", 2: "failed", 4: "done", 6: "done",
    }  # fmt: skip
    assert found[2].reason.startswith("RuntimeError: not today")
    killed = "its process was killed by SIGKILL, perhaps for want of memory"
    assert (found[3].state, found[3].reason) == (found[5].state, found[5].reason) == ("failed", killed)
    assert f"seed=3: failed: {killed}\n" in said.err
    assert "Traceback" not in said.err
    assert_gone(os.getpid())


@pytest.mark.slow
def test_fail_fast_stops_the_other_workers(longlag, fates):
    said = longlag(
        *GRID, *fates, "+task.fails=1", "seed=range(6)", "fail_fast=true", "trainer.max_steps=100000", *LOCAL
    )
    assert said.code == 1
    found = states()
    assert found[1] == "failed"
    assert set(found.values()) <= {"failed", "interrupted"}
    assert found.keys() < set(range(6)) or "interrupted" in found.values()


CUT = (
    "train", "-m", "task.T=40", "cell.hidden_size=8", "trainer.max_steps=400", "trainer.val_check_interval=10",
    "logger=csv", "seed=range(4)",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        pytest.param("SIGINT", marks=pytest.mark.long),
        pytest.param("SIGTERM in the background", marks=pytest.mark.long),
        "SIGKILL",
    ],
)
def test_a_command_that_is_ended_leaves_no_process_and_goes_on(longlag, tmp_path, how):
    study = tmp_path / "outputs" / "cut"
    with started(*CUT, "study=cut", *LOCAL, cwd=tmp_path, background="background" in how) as process:
        deadline = time.monotonic() + 60
        while len(list(study.glob("*/checkpoints/last.ckpt"))) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert len(processes_of(process.pid)) == 2
        process.send_signal(signal.Signals[how.split()[0]])
        out, err = process.communicate(timeout=60)
        assert_gone(process.pid)
    found = list(states(study).values())
    if how == "SIGKILL":
        assert set(found) <= {"running", "done"}
    else:
        assert process.returncode == 1
        assert err.endswith("longlag: interrupted\n")
        assert "Traceback" not in err
        assert "this goes on with them: longlag train -m task.T=40" in out
        assert found.count("interrupted") >= 1
        assert set(found) <= {"interrupted", "done"}
    assert longlag(*CUT, "study=whole").code == 0
    assert longlag(*CUT, "study=cut", *LOCAL).code == 0
    for one, other in zip(runs("outputs/whole"), runs(study), strict=True):
        weights = [torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"] for run in (one, other)]
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
        assert read_metrics(one.folder.metrics) == read_metrics(other.folder.metrics)
