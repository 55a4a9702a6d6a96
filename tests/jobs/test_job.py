import importlib
import json
import os
import shlex
import signal
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from printed import runs, table
from processes import started, wait_for_checkpoint

from longlag.runs import read_run
from longlag.runs.claim import Owner, holder_of
from longlag.runs.metrics_csv import read_metrics


def test_what_ran_already_is_not_run_again_unless_fresh(longlag, tiny):
    longlag("train", *tiny)
    (before,) = runs()
    said = longlag("train", *tiny)
    assert said.code == 0
    assert "ran already: not solved; fresh=true runs it again" in said.err
    assert len(table(said)) == 1
    assert runs()[0].status == before.status

    said = longlag("train", *tiny, "fresh=true")
    assert said.code == 0
    (after,) = runs()
    assert after.folder.path == before.folder.path
    aside = read_run(after.folder.path.with_name(f"{after.folder.path.name}~1"))
    assert aside.status == before.status
    one, other = (torch.load(r.folder.last_checkpoint, weights_only=True)["state_dict"] for r in (after, aside))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_change_in_the_source_of_a_cell_is_noticed(longlag, tiny, tmp_path):
    (tmp_path / "own.py").write_text("from longlag.cells import LSTMCell\n\n\nclass Own(LSTMCell):\n    pass\n")
    longlag("train", *tiny, "cell._target_=own.Own")
    assert runs()[0].config["run"]["cell"] == "Own"
    with (tmp_path / "own.py").open("a") as file:
        file.write("# better now\n")
    said = longlag("train", *tiny, "cell._target_=own.Own")
    assert "ran already: not solved, but the source of its cell has changed; fresh=true runs it again" in said.err
    sys.modules.pop("own")


def test_resume_goes_on_with_a_run(longlag, tiny):
    longlag("train", *tiny)
    folder = runs()[0].folder.path
    said = longlag("train", f"resume={folder}", "trainer.max_steps=10")
    assert said.code == 0
    assert runs()[0].summary["steps"] == 10
    assert table(said)[0][6] == ">10"
    assert runs()[0].config["trainer"]["max_steps"] == 10


def test_resume_takes_a_cut_run_to_its_end(longlag, tmp_path):
    """A run killed in mid-training, then resumed, ends with the weights of one that was not."""
    arguments = (
        "task.T=40",
        "trainer.max_steps=60",
        "trainer.val_check_interval=10",
        "logger=csv",
        "cell.hidden_size=8",
    )
    longlag("train", *arguments, "study=whole")
    with started("train", *arguments, "study=cut", cwd=tmp_path) as process:
        wait_for_checkpoint(process, tmp_path / "outputs" / "cut")
        process.kill()
        process.wait()
    (cut,) = runs("outputs/cut")
    assert cut.status.state == "running"
    assert holder_of(cut.folder.path) is None
    assert longlag("train", f"resume={cut.folder.path}").code == 0
    rows = [read_metrics(runs(f"outputs/{study}")[0].folder.metrics) for study in ("whole", "cut")]
    assert rows[0] == rows[1]
    weights = [
        torch.load(runs(f"outputs/{s}")[0].folder.last_checkpoint, weights_only=True)["state_dict"]
        for s in ("whole", "cut")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_run_that_another_process_is_at_is_left_alone(longlag, tiny, tmp_path):
    """In a grid it costs a line, and the others run."""
    slow = ("task.T=60", "trainer.max_steps=100000", "trainer.val_check_interval=2", "logger=csv", "cell.hidden_size=4")
    with started("train", *slow, "seed=1", cwd=tmp_path) as process:
        wait_for_checkpoint(process, tmp_path / "outputs" / "default")
        said = longlag("train", *slow, "seed=1")
        assert said.code == 2
        assert f"is being run by process {process.pid} on " in said.err
        said = longlag("train", *slow, "seed=1", "fresh=true")
        assert said.code == 2
        assert [run.status.state for run in runs()] == ["running"]
        said = longlag("train", *tiny, "seed=0", "study=other")
        assert said.code == 0
        process.kill()
        process.wait()
    assert runs()[0].status.state == "running"
    assert holder_of(runs()[0].folder.path) is None


def test_a_run_that_was_cut_is_not_continued_with_another_cell(longlag, tiny, tmp_path):
    """Its checkpoint holds the weights of the equations before; to go on would mix the two."""
    source = (
        "from longlag.cells import LSTMCell\n\n\nclass Moody(LSTMCell):\n    calls = 0\n\n"
        "    def forward(self, x, state):\n"
        "        Moody.calls += 1\n        if Moody.calls == LIMIT:\n            raise RuntimeError('no more')\n"
        "        return super().forward(x, state)\n"
    )
    (tmp_path / "moody.py").write_text(source.replace("LIMIT", "100"))
    assert longlag("train", *tiny, "cell._target_=moody.Moody").code == 1
    (run,) = runs()
    assert run.folder.last_checkpoint.exists()
    (tmp_path / "moody.py").write_text(source.replace("LIMIT", "-1"))
    sys.modules.pop("moody")
    importlib.invalidate_caches()
    said = longlag("train", *tiny, "cell._target_=moody.Moody")
    assert said.code == 2
    assert said.err.endswith(", but the source of its cell has changed; fresh=true starts over\n")
    assert longlag("train", *tiny, "cell._target_=moody.Moody", "fresh=true").code == 0
    sys.modules.pop("moody")


def test_a_run_on_another_machine_is_left_alone_as_long_as_that_gives_a_sign(longlag, tiny):
    longlag("train", *tiny)
    (run,) = runs()
    run.folder.write_status(replace(run.status, state="running"))
    claim = run.folder.path / "claim.json"
    claim.write_text(json.dumps(asdict(replace(Owner.me(), host="another.machine", boot="", pid=1))))
    said = longlag("train", *tiny)
    assert said.code == 2
    assert said.err.endswith("is being run by process 1 on another.machine\n")
    silent = time.time() - 120
    os.utime(claim, (silent, silent))
    assert longlag("train", *tiny).code == 0
    assert runs()[0].status.state == "done"
    assert not claim.exists()


def test_a_fresh_grid_runs_each_run_once(longlag, tiny):
    arguments = ("-m", *tiny, "cell=rnn", "cell.forget_bias=0,1,3")
    longlag("train", *arguments)
    said = longlag("train", *arguments, "fresh=true")
    assert said.code == 0
    assert sorted(p.name[-2:] for p in Path("outputs/default").glob("rnn*"))[0] != "~2"
    assert len(list(Path("outputs/default").glob("rnn*"))) == 2  # the run, and the one set aside
    assert said.err.count("the same run as one before in this grid") == 2


MOODY = """
import pytest
import torch
from longlag.cells import LSTMCell


class Moody(LSTMCell):
    def __init__(self, input_size, hidden_size, forget_bias=1.0):
        super().__init__(input_size, hidden_size, forget_bias)
        self.moody = forget_bias == 2

    def forward(self, x, state):
        if self.moody:
            raise RuntimeError("not in the mood")
        return super().forward(x, state)
"""


def test_a_grid_with_a_run_that_fails_goes_on_and_says_what_is_missing(longlag, tiny, tmp_path):
    (tmp_path / "moody.py").write_text(MOODY)
    arguments = ("-m", *tiny, "cell._target_=moody.Moody", "cell.forget_bias=1,2,3", "study=a b")
    said = longlag("train", *arguments)
    assert said.code == 1
    found = {run.config["run"]["forget_bias"]: run for run in runs("outputs/a b")}
    assert {bias: run.status.state for bias, run in found.items()} == {1: "done", 2: "failed", 3: "done"}
    last = said.out.splitlines()[-3:]
    assert last[0] == "not ended: 1 of 3 runs"
    log = found[2].folder.log
    failure = "failed: RuntimeError: not in the mood (moody.py, line 14)"
    assert last[1] == f"  {found[2].folder.path.name}: {failure}; see {log}"
    assert "Traceback" in log.read_text()
    assert last[2].startswith("this goes on with them: longlag train -m task.T=8 ")
    again = longlag(*shlex.split(last[2].removeprefix("this goes on with them: "))[1:])
    assert again.code == 1
    assert again.err.count("ran already: not solved") == 2
    (tmp_path / "moody.py").write_text(MOODY.replace("== 2", "== 9"))
    sys.modules.pop("moody")
    importlib.invalidate_caches()
    assert longlag("train", *arguments, "fresh=true").code == 0
    sys.modules.pop("moody")


def test_fail_fast_ends_a_grid_at_the_first_failure(longlag, tiny, tmp_path):
    (tmp_path / "moody.py").write_text(MOODY)
    arguments = ("-m", *tiny, "cell._target_=moody.Moody", "cell.forget_bias=1,2,3")
    said = longlag("train", *arguments, "fail_fast=true")
    assert said.code == 1
    assert [run.status.state for run in runs()] == ["done", "failed"]
    assert "not ended: 2 of 3 runs" in said.out
    assert ": not begun\n" in said.out
    assert longlag("train", *tiny, "fail_fast=maybe").code == 2
    sys.modules.pop("moody")


def test_a_signal_stops_a_grid_and_the_same_command_goes_on(longlag, tmp_path):
    """The run that is going on saves its step; those after it are not begun; a finished one is left alone."""
    arguments = (
        "train", "-m", "task.T=40", "cell.hidden_size=8", "trainer.max_steps=40", "trainer.val_check_interval=10",
        "logger=csv", "seed=0,1,2", "population=1",
    )  # fmt: skip
    assert longlag(*arguments, "study=whole").code == 0
    for number, code in ((signal.SIGINT, 1), (signal.SIGTERM, 1)):
        study = f"study=cut{int(number)}"
        folder = tmp_path / "outputs" / study.removeprefix("study=")
        with started(*arguments, study, cwd=tmp_path) as process:
            wait_for_checkpoint(process, folder)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        assert process.returncode == code
        assert err.endswith("longlag: interrupted\n")
        assert "Traceback" not in err
        assert "this goes on with them: longlag train -m task.T=40" in out
        states = [run.status.state for run in runs(folder)]
        assert states.count("interrupted") == 1
        assert states[:-1] == ["done"] * (len(states) - 1)
        assert longlag(*arguments, study).code == 0
        for one, other in zip(runs("outputs/whole"), runs(folder), strict=True):
            weights = [torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"] for run in (one, other)]
            assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
            assert read_metrics(one.folder.metrics) == read_metrics(other.folder.metrics)


def weights(study):
    return [torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"] for run in runs(f"outputs/{study}")]


@pytest.mark.parametrize("first", [4, 5])  # the second ends between two validations
def test_the_same_command_with_a_larger_budget_goes_on_and_is_the_run_that_went_as_far_at_once(longlag, tiny, first):
    tiny = (*tiny, "model.layers=2", "model.dropout=0.5", "stop_when_solved=false")
    longlag("train", *tiny, "trainer.max_steps=10", "study=whole")
    longlag("train", *tiny, f"trainer.max_steps={first}", "study=further")
    ahead = longlag("train", *tiny, "trainer.max_steps=10", "study=further", "--dry-run")
    assert f"(not solved; goes on from {first} to 10)" in ahead.out
    assert ahead.out.startswith("resume ")
    said = longlag("train", *tiny, "trainer.max_steps=10", "study=further")
    assert said.code == 0
    assert f": goes on from {first} to 10 steps\n" in said.err
    (one,), (other,) = weights("whole"), weights("further")
    assert all(torch.equal(one[name], other[name]) for name in one)
    (whole,), (further,) = runs("outputs/whole"), runs("outputs/further")
    assert whole.folder.path.name == further.folder.path.name
    rows = [read_metrics(run.folder.metrics) for run in (whole, further)]
    assert [step for step in rows[1] if "test/acc" in rows[1][step]] == [10]
    on_the_way = [step for step in rows[0] if step != first]
    assert [rows[0][step] for step in on_the_way] == [rows[1][step] for step in on_the_way]
    same = ("steps", "sequences", "test/acc", "val/acc", "train/loss")
    assert [whole.summary[key] for key in same] == [further.summary[key] for key in same]


def test_a_grid_goes_on_with_every_run_and_finds_them_done_with_a_smaller_budget(longlag, tiny):
    grid = ("-m", *tiny, "seed=0,1")
    longlag("train", *grid)
    said = longlag("train", *grid, "trainer.max_steps=4")
    assert said.err.count("ran already: not solved") == 2
    assert [run.config["trainer"]["max_steps"] for run in runs()] == [6, 6]
    said = longlag("train", *grid, "trainer.max_steps=8")
    assert said.err.count("goes on from 6 to 8 steps") == 2
    assert [run.summary["steps"] for run in runs()] == [8, 8]
    assert len(runs()) == 2


EASY = (
    "task=latch", "task.T=5", "cell.hidden_size=8", "trainer.max_steps=200", "trainer.val_check_interval=2",
    "optimizer.lr=0.03", "logger=csv",
)  # fmt: skip


def test_a_run_that_stopped_when_it_was_solved_goes_on_without_stop_when_solved(longlag):
    longlag("train", *EASY, "study=cut")
    (solved,) = runs("outputs/cut")
    assert solved.status.state == "solved"
    assert solved.summary["steps"] < 50
    assert "ran already: solved" in longlag("train", *EASY, "study=cut", "trainer.max_steps=300").err
    further = (*EASY, "stop_when_solved=false", "trainer.max_steps=50")
    assert longlag("train", *further, "study=cut").code == 0
    longlag("train", *further, "study=whole")
    (one,), (other,) = weights("whole"), weights("cut")
    assert all(torch.equal(one[name], other[name]) for name in one)
    (whole,), (cut,) = runs("outputs/whole"), runs("outputs/cut")
    assert cut.summary["solved_step"] == solved.summary["solved_step"] == whole.summary["solved_step"]
    assert cut.summary["steps"] == whole.summary["steps"] == 50
    assert read_metrics(whole.folder.metrics) == read_metrics(cut.folder.metrics)
    assert "ran already: solved" in longlag("train", *EASY, "study=cut").err


def test_resume_has_no_rule_of_its_own(longlag, tiny):
    longlag("train", *tiny)
    (run,) = runs()
    assert "ran already: not solved" in longlag("train", f"resume={run.folder.path}").err
    assert runs()[0].status == run.status


def test_a_grid_over_the_budget_is_refused(longlag, tiny):
    said = longlag("train", "-m", *tiny, "trainer.max_steps=4,6")
    assert said.code == 2
    assert "a grid over trainer.max_steps, trainer.max_time or stop_when_solved: its jobs are one run" in said.err
    assert not runs_exist()


def runs_exist():
    return list(Path().glob("outputs/*/*/config.yaml"))


def test_a_run_that_goes_further_refuses_a_cell_that_has_changed(longlag, tiny, tmp_path):
    (tmp_path / "further.py").write_text("from longlag.cells import LSTMCell\n\n\nclass Own(LSTMCell):\n    pass\n")
    longlag("train", *tiny, "cell._target_=further.Own")
    with (tmp_path / "further.py").open("a") as file:
        file.write("# better now\n")
    said = longlag("train", *tiny, "cell._target_=further.Own", "trainer.max_steps=8")
    assert said.code == 2
    assert "cannot go on with " in said.err
    assert said.err.endswith(", but the source of its cell has changed; fresh=true starts over\n")
    sys.modules.pop("further")
