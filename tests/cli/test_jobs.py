import importlib
import json
import os
import shlex
import signal
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch
from printed import runs, table
from processes import started, wait_for_checkpoint

from longlag.runs import read_run
from longlag.runs.claim import Owner, holder_of
from longlag.runs.metrics import read_metrics


def test_what_ran_already_is_not_run_again_unless_fresh(longlag, tiny):
    longlag("train", *tiny)
    (before,) = runs()
    said = longlag("train", *tiny)
    assert said.code == 0
    assert "ran already: done; fresh=true runs it again" in said.err
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
    assert "ran already: done, but the source of its cell has changed; fresh=true runs it again" in said.err
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
    assert not cut.status.alive
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
    assert said.err.endswith("was cut, but the source of its cell has changed; fresh=true starts over\n")
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
    assert last[1] == f"  {found[2].folder.path.name}: failed: RuntimeError: not in the mood; see {log}"
    assert "Traceback" in log.read_text()
    assert last[2].startswith("this goes on with them: longlag train -m task.T=8 ")
    again = longlag(*shlex.split(last[2].removeprefix("this goes on with them: "))[1:])
    assert again.code == 1
    assert again.err.count("ran already: done") == 2
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
        "logger=csv", "seed=0,1,2",
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
