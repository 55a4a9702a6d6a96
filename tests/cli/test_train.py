import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from longlag.cli.requests import RequestError
from longlag.runs import read_run, read_study
from longlag.runs.metrics import read_metrics


def runs(path="outputs/default"):
    return read_study(Path(path))


def table(said):
    """The rows of the table of runs, as words."""
    lines = [line.split() for line in said.out.splitlines()]
    start = next(k for k, words in enumerate(lines) if words[:2] == ["cell", "task"])
    stop = next(k for k, words in enumerate(lines[start:], start) if not words)
    return lines[start + 1 : stop]


def test_a_run_leaves_its_folder_and_a_table(longlag, tiny):
    said = longlag("train", *tiny)
    assert said.code == 0
    (run,) = runs()
    assert {p.name for p in run.folder.path.iterdir()} == {
        "config.yaml", "status.json", "metrics.csv", "summary.json", "checkpoints", "train.log",
    }  # fmt: skip
    assert run.folder.path.name.startswith("lstm-delayed_xor-T8-b1-seed0-")
    (row,) = table(said)
    assert row[:5] == ["lstm", "delayed_xor", "8", "1", "0"]
    assert row[5] == f"{run.summary['test/acc']:.3f}"
    assert row[6] == ">6"
    assert row[7] == f"{run.summary['early_gradient_init']:.1e}"
    assert "\x1b" not in said.out + said.err
    assert said.err.startswith("lstm delayed_xor T=8 b=1 seed=0: not solved in 6 steps, test accuracy 0.")


def test_a_grid_has_a_folder_a_job_and_one_table(longlag, tiny):
    said = longlag("train", "-m", *tiny, "task.T=6,8", "seed=range(2)", "study=grid")
    assert said.code == 0
    assert sorted(run.config["run"]["T"] for run in runs("outputs/grid")) == [6, 6, 8, 8]
    assert [row[2:5] for row in table(said)] == [["6", "1", "0"], ["6", "1", "1"], ["8", "1", "0"], ["8", "1", "1"]]
    assert "0 of 2" in said.out
    assert [line[:5] for line in said.err.splitlines()] == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]


def test_a_cell_without_a_forget_gate_is_run_once_in_a_grid_over_its_bias(longlag, tiny):
    said = longlag("train", "-m", *tiny, "cell=rnn,lstm", "cell.forget_bias=0,1,3")
    assert said.code == 0
    assert [(row[0], row[3]) for row in table(said)] == [("rnn", "-"), ("lstm", "0"), ("lstm", "1"), ("lstm", "3")]
    assert len(runs()) == 4
    rnn = next(run for run in runs() if run.config["run"]["cell"] == "rnn")
    assert rnn.config["cell"]["forget_bias"] is None


def test_overrides_reach_everything(longlag, tiny):
    longlag(
        "train", *tiny, "optimizer=rmsprop", "optimizer.alpha=0.5", "task.splits.val_size=32", "task/splits=endless",
        "trainer.gradient_clip_val=0.5", "trainer.gradient_clip_algorithm=value", "probe.size=3",
        "+trainer.fast_dev_run=false",
    )  # fmt: skip
    config = runs()[0].config
    assert config["optimizer"]["alpha"] == 0.5
    assert config["task"]["splits"]["val_size"] == 32
    assert config["task"]["splits"]["train_size"] is None
    assert config["trainer"]["gradient_clip_algorithm"] == "value"
    assert config["probe"]["size"] == 3
    assert config["trainer"]["fast_dev_run"] is False


def test_cfg_job_shows_the_settings_and_runs_nothing(longlag, tiny, tmp_path):
    said = longlag("train", "--cfg", "job", *tiny)
    assert said.code == 0
    assert yaml.safe_load(said.out)["task"]["T"] == 8
    assert list(tmp_path.iterdir()) == []


def test_help_shows_the_groups_and_an_example(longlag):
    said = longlag("train", "--help")
    assert said.code == 0
    for text in ("cell: lstm, rnn", "trainer: cpu, ddp", "longlag train -m cell=rnn,lstm", "longlag -sc install=bash"):
        assert text in said.out


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


def test_resume_takes_a_cut_run_to_its_end(longlag, tiny):
    """A run killed in mid-training, then resumed, ends with the weights of one that was not."""
    arguments = (
        "task.T=40",
        "trainer.max_steps=60",
        "trainer.val_check_interval=10",
        "logger=csv",
        "cell.hidden_size=8",
    )
    longlag("train", *arguments, "study=whole")
    process = subprocess.Popen(
        [sys.executable, "-m", "longlag", "train", *arguments, "study=cut"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not list(Path("outputs").glob("cut/*/checkpoints/last.ckpt")):
        assert process.poll() is None
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


def test_a_job_that_fails_costs_itself_alone(longlag, tiny, tmp_path):
    (tmp_path / "brittle.py").write_text(
        "from longlag.cells import LSTMCell\n\n\nclass Brittle(LSTMCell):\n    def forward(self, x, state):\n"
        "        if self.hidden_size == 5:\n            raise RuntimeError('five is right out')\n"
        "        return super().forward(x, state)\n"
    )
    said = longlag("train", "-m", *tiny, "cell._target_=brittle.Brittle", "cell.hidden_size=4,5,6")
    sys.modules.pop("brittle")
    assert said.code == 1
    assert [(row[4], row[7]) for row in table(said)] == [("4", ">6"), ("5", "failed"), ("6", ">6")]
    failed = next(run for run in runs() if run.status.state == "failed")
    assert failed.status.reason == "RuntimeError: five is right out"
    assert "Traceback" in failed.folder.log.read_text()
    assert "Traceback" not in said.err
    assert f"failed: RuntimeError: five is right out, see {failed.folder.log}" in said.err


def test_a_diverged_run_is_a_result(longlag, tiny):
    said = longlag("train", *tiny, "optimizer=sgd", "optimizer.lr=1e38")
    assert said.code == 0
    assert table(said)[0][6] == "diverged"


def test_a_run_that_another_process_is_at_is_left_alone(longlag, tiny):
    longlag("train", *tiny)
    (run,) = runs()
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        status = json.loads((run.folder.path / "status.json").read_text())
        (run.folder.path / "status.json").write_text(json.dumps({**status, "state": "running", "pid": other.pid}))
        said = longlag("train", *tiny)
        assert said.code == 2
        assert f"is being run by process {other.pid}" in said.err
        assert runs()[0].status.state == "running"
    finally:
        other.kill()
        other.wait()


def test_an_interrupt_stops_the_grid_and_says_where_it_stands(tmp_path, tiny):
    """Ctrl-C in mid-run: a status that says so, the table, exit code 1, and the same command goes on."""
    command = [
        sys.executable, "-m", "longlag", "train", "-m", "task.T=40", "trainer.val_check_interval=10", "logger=csv",
        "cell.hidden_size=8", "seed=0,1", "trainer.max_steps=3000",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("outputs/default/*/checkpoints/last.ckpt")):
        assert process.poll() is None
    process.send_signal(2)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert err.endswith("longlag: interrupted\n")
    assert "interrupted" in out
    (run,) = read_study(tmp_path / "outputs" / "default")
    assert run.status.state == "interrupted"


WRONG = [
    (["cell=nope"], "no cell 'nope'; there are: lstm, rnn"),
    (["task=nope"], "no task 'nope'; there are: delayed_xor"),
    (["trainer=tpu"], "no trainer 'tpu'; there are: cpu, ddp, ddp_cpu, gpu"),
    (["task.T=2"], "task: T must be an integer of at least 3 (two bits and a gap), got 2"),
    (["task.T=long"], "task: T must be an integer of at least 3 (two bits and a gap), got 'long'"),
    (["cell.hidden_size=0"], "cell: hidden_size must be a positive integer, got 0"),
    (["cell.hiden_size=8"], "no key 'cell.hiden_size'; did you mean cell.hidden_size?"),
    (["trainer.max_step=8"], "no key 'trainer.max_step'; did you mean trainer.max_steps?"),
    (["hidden_size=8"], "no key 'hidden_size'; did you mean cell.hidden_size?"),
    (["sed=8"], "no key 'sed'; did you mean seed or task.splits.seed?"),
    (["cel=rnn"], "no key 'cel'; did you mean cell?"),
    (["+cell.depth=2"], "cell: longlag.cells.lstm.LSTMCell takes no 'depth' (~cell.depth leaves it out)"),
    (["engine=warp"], "engine: engine must be one of auto, eager; got 'warp'"),
    (["optimizer.lr=-1"], "optimizer: Invalid learning rate: -1"),
    (["trainer.max_steps=0"], "trainer.max_steps must be a positive integer, got 0"),
    (["trainer.precision=31"], "trainer: Precision 31 is invalid."),
    (["trainer.gradient_clip_algorithm=cut"], "trainer: `gradient_clip_algorithm` cut is invalid."),
    (["task.splits.batch_size=100"], "task: train_size must be a multiple of batch_size, got 256 and 100"),
    (["trainer=ddp_cpu", "task.splits.batch_size=1", "task.splits.train_size=1"],
     "task.splits.batch_size must be a multiple of the 2 devices, got 1"),
    (["resume=nowhere"], "resume: nowhere holds no run: no config.yaml (No such file or directory)"),
    (["logger.mode=dryrun"], "logger: mode must be offline or online, got 'dryrun' (logger=csv does without W&B)"),
    (["task.T="], "task: T must be an integer of at least 3 (two bits and a gap), got ''"),
    (["seed=[1"], "cannot read 'seed=[1': no viable alternative at input '[1'"),
    (["-m", "task.T=60,2"], "task: T must be an integer of at least 3 (two bits and a gap), got 2"),
    (["-m", "cell=lstm,nope"], "no cell 'nope'; there are: lstm, rnn"),
    (["trainer.val_check_interval=0"], "trainer.val_check_interval must be a positive integer, got 0"),
    (["trainer.val_check_interval=0.5"], "trainer.val_check_interval must be a positive integer, got 0.5"),
    (["trainer.log_every_n_steps=0"], "trainer.log_every_n_steps must be a positive integer, got 0"),
    (["trainer.accumulate_grad_batches=3"], "trainer.val_check_interval must be a multiple of accumulate"),
    (["+trainer.max_epochs=3"], "trainer.max_epochs is longlag's own to set (~trainer.max_epochs leaves it out)"),
    (["+trainer.num_nodes=2"], "trainer.num_nodes must be 1, one machine; got 2"),
    (["trainer.strategy=ddp_spawn"], "trainer.strategy=ddp_spawn: the ranks are processes of their own; ddp does it"),
    (["trainer.accelerator=warp"], "trainer: "),
    (["trainer.precision=transformer-engine"], "trainer: "),
    (["trainer=ddp_cpu", "task.splits.val_size=1"], "task.splits.val_size must be at least the 2 devices, got 1"),
    (["seed=-1"], "seed must be an integer from 0 to 4294967295, got -1"),
    (["seed=99999999999"], "seed must be an integer from 0 to 4294967295, got 99999999999"),
    (["fresh=no"], "fresh must be true or false, got 'no'"),
    (["stop_when_solved=1"], "stop_when_solved must be true or false, got 1"),
    (["logger.project='a/b'"], "logger: project must be a name without spaces and any of / \\ # ? % :, got 'a/b'"),
    (["study=null"], "study must be a name, got None"),
    (["cell=null"], "Config group override must be a string or a list. Got NoneType"),
    (["task.splits=endless"], "task.splits must be a mapping with a _target_, got 'endless'"),
    (["~logger"], "no logger: it cannot be left out"),
    (["~seed"], "Interpolation key 'seed' not found"),
    (["+callbacks.x=1"], "callbacks.x must be a mapping with a _target_, got 1"),
    (["+x=1"], "no key 'x'"),
    (["+stop_when_solve=1"], "no key 'stop_when_solve'; did you mean stop_when_solved?"),
    (["=3"], "Config group override must be a string or a list. Got int"),
    (["cell._target_=os.getcwd"], "cell: os.getcwd"),
    (["cell._target_=nowhere.Cell"], "cannot import nowhere.Cell: ModuleNotFoundError: No module named 'nowhere'"),
    (["--foo"], "no flag --foo; longlag train --help shows them"),
    (["--multrun"], "no flag --multrun; did you mean --multirun"),
    (["--cfg"], "--cfg wants a value"),
    (["hydra.job.chdir=true"], "hydra.job.chdir must be false: the folder of a run follows from its settings"),
    (["-m", "study=null,a"], "study must be a name, got None"),
    (["seed=0", "-m", "task.T=3,2"], "task: T must be an integer of at least 3 (two bits and a gap), got 2"),
    (["task.T=3,4"], "task.T=3,4 is a grid; longlag train -m runs one"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(a) for a, _ in WRONG])
def test_wrong_requests_are_one_line_and_cost_no_run(longlag, arguments, message, tmp_path):
    said = longlag("train", *arguments)
    assert said.code == 2
    assert said.err.startswith(f"longlag: {message}")
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []  # not even a folder


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("trainer", ["gpu", "ddp"])
def test_a_gpu_where_there_is_none(longlag, trainer):
    said = longlag("train", f"trainer={trainer}")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert said.err.startswith("longlag: trainer: No supported gpu backend found")


def test_an_output_folder_that_cannot_be_written_to(longlag, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for arguments in (["output_dir=file"], ["-m", "output_dir=file", "seed=0,1"], ["output_dir=/proc/nowhere"]):
        said = longlag("train", *arguments)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert said.err.startswith("longlag: cannot write to ")


@pytest.mark.parametrize("arguments", [["cell._target_=nowhere.Cell"], ["~seed"], ["-m", "cell=lstm,nope"], ["--foo"]])
def test_wrong_requests_are_one_line_in_a_process_of_their_own(tmp_path, arguments):
    """Without the handlers that pytest puts on the root logger, which would hide what a library writes to stderr."""
    result = subprocess.run(
        [sys.executable, "-m", "longlag", "train", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.stderr


def test_the_traceback_of_a_wrong_request_is_there_for_who_asks(longlag, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(RequestError, match="no cell 'nope'"):
        longlag("train", "cell=nope")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("cell.hidden_size=9", "resume: cell.hidden_size cannot change; trainer.…, logger.… and stop_when_solved can"),
        ("trainer.max_step=9", "no key 'trainer.max_step'; did you mean trainer.max_steps?"),
        ("cell=rnn", "resume: cell cannot change; trainer.…, logger.… and stop_when_solved can"),
    ],
)
def test_what_a_resumed_run_may_not_change(longlag, tiny, change, message):
    longlag("train", *tiny)
    said = longlag("train", f"resume={runs()[0].folder.path}", change)
    assert (said.code, said.err) == (2, f"longlag: {message}\n")


def test_resume_from_a_folder_that_holds_something_else(longlag, tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1\n")
    said = longlag("train", "resume=.")
    assert (said.code, said.err) == (2, "longlag: resume: . holds no run: its config.yaml is not one of longlag's\n")


def test_the_same_command_in_two_processes_gives_the_same_numbers(tmp_path, tiny):
    figures = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        subprocess.run(
            [sys.executable, "-m", "longlag", "train", *tiny],
            cwd=folder,
            check=True,
            capture_output=True,
            env=os.environ,
        )
        (run,) = read_study(folder / "outputs" / "default")
        figures.append({key: value for key, value in run.summary.items() if key != "seconds"})
    assert figures[0] == figures[1]


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


def test_a_run_on_another_machine_is_left_alone_unless_the_user_knows_better(longlag, tiny):
    longlag("train", *tiny)
    (run,) = runs()
    path = run.folder.path / "status.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "state": "running", "host": "another.machine"}))
    said = longlag("train", *tiny)
    assert said.code == 2
    assert said.err.endswith(f"on another.machine; if it is no more, resume={run.folder.path} goes on\n")
    assert longlag("train", f"resume={run.folder.path}").code == 0
    assert runs()[0].status.state == "done"


def test_a_fresh_grid_runs_each_run_once(longlag, tiny):
    arguments = ("-m", *tiny, "cell=rnn", "cell.forget_bias=0,1,3")
    longlag("train", *arguments)
    said = longlag("train", *arguments, "fresh=true")
    assert said.code == 0
    assert sorted(p.name[-2:] for p in Path("outputs/default").glob("rnn*"))[0] != "~2"
    assert len(list(Path("outputs/default").glob("rnn*"))) == 2  # the run, and the one set aside
    assert said.err.count("the same run as one before in this grid") == 2


def test_a_grid_with_a_config_of_the_readers_own(longlag, tiny, tmp_path):
    """--config-dir with a cell of one's own beside it; a glob as the axis of a grid; a task.py in the way."""
    (tmp_path / "own_cell.py").write_text("from longlag.cells import RNNCell\n\n\nclass Mine(RNNCell):\n    pass\n")
    (tmp_path / "my_conf" / "cell").mkdir(parents=True)
    (tmp_path / "my_conf" / "cell" / "mine.yaml").write_text("_target_: own_cell.Mine\nhidden_size: 3\n")
    (tmp_path / "tasks.py").write_text("raise ImportError('not this one')\n")
    said = longlag("train", "--config-dir", "my_conf", "-m", "cell=glob(*)", *(t for t in tiny if "hidden" not in t))
    sys.modules.pop("own_cell")
    assert said.code == 0
    assert [row[0] for row in table(said)] == ["lstm", "mine", "rnn"]


def test_what_varies_in_a_grid_gets_a_column_and_a_rate_of_its_own(longlag, tiny):
    said = longlag("train", "-m", *tiny, "optimizer.lr=0.1,0.001", "seed=0,1")
    assert [row[4] for row in table(said)] == ["0.1", "0.1", "0.001", "0.001"]
    assert said.out.count("0 of 2") == 2
