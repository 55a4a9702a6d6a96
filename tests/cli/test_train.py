import os
import shlex
import socket
import subprocess
import sys

import pytest
import yaml
from printed import runs, table

from longlag.runs import read_study
from longlag.runs.provenance import processor
from longlag.settings.build import build_model, build_task
from longlag.settings.compose import conf_dir, settings_of


def test_a_run_leaves_its_folder_and_a_table(longlag, tiny):
    said = longlag("train", *tiny)
    assert said.code == 0
    (run,) = runs()
    assert {p.name for p in run.folder.path.iterdir()} == {
        "config.yaml", "status.json", "metrics.json", "metrics.csv", "error_flow.csv", "summary.json", "checkpoints",
        "train.log", ".claim.lock",
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
    first, *lines = said.err.splitlines()
    assert first == "4 runs as 2 populations: T=6, 8"
    assert sorted(line[:5] for line in lines) == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]


def test_a_cell_without_a_forget_gate_is_run_once_in_a_grid_over_its_bias(longlag, tiny):
    said = longlag("train", "-m", *tiny, "cell=rnn,lstm", "cell.forget_bias=0,1,3")
    assert said.code == 0
    assert [(row[0], row[3]) for row in table(said)] == [("rnn", "-"), ("lstm", "0"), ("lstm", "1"), ("lstm", "3")]
    assert len(runs()) == 4
    rnn = next(run for run in runs() if run.config["run"]["cell"] == "rnn")
    assert rnn.config["run"]["forget_bias"] is None
    assert "forget_bias" not in rnn.config["cell"]


def test_an_init_takes_the_place_of_the_forget_bias_and_is_run_once_in_a_grid_over_it(longlag, tiny):
    said = longlag("train", "-m", *tiny, "cell=rnn,lstm", "init=constant,chrono", "cell.forget_bias=1,3")
    assert said.code == 0
    assert [(row[0], row[3]) for row in table(said)] == [
        ("rnn", "-"), ("lstm", "1"), ("lstm", "3"), ("lstm", "chrono"),
    ]  # fmt: skip
    chrono = next(run for run in runs() if run.config["run"]["forget_bias"] == "chrono")
    assert chrono.config["init"] == {"_target_": "longlag.cells.Chrono", "T_max": 8}  # the task's T
    assert "forget_bias" not in chrono.config["cell"]
    assert chrono.folder.path.name.startswith("lstm-delayed_xor-T8-bchrono-seed0-")


def test_the_gates_start_as_init_says_in_every_layer():
    settings = settings_of(["init=staggered", "init.last=3.5", "cell.hidden_size=4", "model.layers=2"])
    model = build_model(settings, build_task(settings))
    assert [cell.gate_bias("f").tolist() for cell in model.cells] == [[0.5, 1.5, 2.5, 3.5]] * 2


def test_a_stack_is_trained(longlag, tiny):
    said = longlag("train", *tiny, "model.layers=2", "model.dropout=0.1", "model.residual=true", "cell=gru")
    assert said.code == 0
    one, two = 4 * 2 * (4 + 2 + 1) + 4 * (2 + 1) + 4 * (4 + 1), 4 * 2 * (4 + 4 + 1) + 2 * 4 * (4 + 1)
    assert runs()[0].summary["parameters"] == one + two + 2 * (4 + 1)


def test_every_cell_is_trained_in_one_grid_and_stands_on_itself(longlag, tiny):
    said = longlag("train", "-m", *tiny, "cell=glob(*)", "model.layers=2", "model.residual=true", "model.dropout=0.1")
    assert said.code == 0
    cells = sorted(path.stem for path in (conf_dir() / "cell").glob("*.yaml"))
    assert sorted(row[0] for row in table(said)) == cells
    assert all(run.summary["early_gradient_init"] > 0 for run in runs())


def test_overrides_reach_everything(longlag, tiny):
    longlag(
        "train", *tiny, "optimizer=rmsprop", "optimizer.alpha=0.5", "task.splits.val_size=32", "task/splits=endless",
        "trainer.gradient_clip_val=0.5", "trainer.gradient_clip_algorithm=value", "probe.size=3",
        "+trainer.detect_anomaly=true",
    )  # fmt: skip
    config = runs()[0].config
    assert config["optimizer"]["alpha"] == 0.5
    assert config["task"]["splits"]["val_size"] == 32
    assert config["task"]["splits"]["train_size"] is None
    assert config["trainer"]["gradient_clip_algorithm"] == "value"
    assert config["probe"]["size"] == 3
    assert config["trainer"]["detect_anomaly"] is True


def test_cfg_job_shows_the_settings_and_runs_nothing(longlag, tiny, tmp_path):
    said = longlag("train", "--cfg", "job", *tiny)
    assert said.code == 0
    assert yaml.safe_load(said.out)["task"]["T"] == 8
    assert list(tmp_path.iterdir()) == []


def test_help_shows_the_groups_and_an_example(longlag):
    said = longlag("train", "--help")
    assert said.code == 0
    for text in (
        "cell: causal_attention, gru, irnn, lru, lstm",
        "trainer: cpu, ddp",
        "longlag train -m cell=rnn,lstm",
        "longlag -sc install=bash",
    ):
        assert text in said.out


def test_help_shows_each_key_with_its_value_and_its_comment_within_80_columns(longlag):
    said = longlag("train", "cell=gru", "--help")
    lines = said.out.splitlines()
    assert max(map(len, lines)) <= 80
    for line in (
        "cell=gru                            Gated recurrent unit",
        "  task.T=60                         sequence length",
        "model.layers=1                      cells on top of each other",
        "    task.splits.batch_size=256      over all devices together",
    ):
        assert line in lines
    assert "trainer.max_time=null DD:HH:MM:SS; then a run pauses, and" in " ".join(said.out.split())


def test_help_shows_the_comments_of_a_readers_yaml(longlag, tmp_path):
    (tmp_path / "conf" / "cell").mkdir(parents=True)
    (tmp_path / "conf" / "cell" / "mine.yaml").write_text(
        "# A cell of mine\ndefaults:\n  - lstm\n  - _self_\nhidden_size: 7  # as -wide as I like\n"
        "                # and no wider\nname: 'a # b'\n"
    )
    said = longlag("train", "-cd", "conf", "cell=mine", "--help")
    assert "cell=mine                           A cell of mine" in said.out.splitlines()
    assert "  cell.hidden_size=7                as -wide as I like and no wider" in said.out.splitlines()
    assert "  cell.forget_bias=1.0              initial bias of the forget gate" in said.out.splitlines()
    assert "  cell.name=a # b" in said.out.splitlines()


def test_completion_takes_no_word_of_a_comment_for_a_flag(longlag, monkeypatch):
    monkeypatch.setattr("longlag.cli.train_help.about", lambda _: "as -wide as --possible")
    assert "as -wide as --possible" in longlag("train", "--help").out
    monkeypatch.setenv("COMP_LINE", "longlag train -")
    monkeypatch.setenv("COMP_POINT", "15")
    flags = longlag("-sc", "query=bash").out.split()
    assert "--dry-run" in flags
    assert not {"-wide", "--possible"} & set(flags)


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
    assert failed.status.reason == "RuntimeError: five is right out (brittle.py, line 7)"
    assert "Traceback" in failed.folder.log.read_text()
    assert "Traceback" not in said.err
    assert f"failed: RuntimeError: five is right out (brittle.py, line 7), see {failed.folder.log}" in said.err


def test_a_diverged_run_is_a_result(longlag, tiny):
    said = longlag("train", *tiny, "optimizer=sgd", "optimizer.lr=1e38")
    assert said.code == 0
    assert table(said)[0][6] == "diverged"


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


def test_a_grid_with_a_config_of_the_readers_own(longlag, tiny, tmp_path):
    """--config-dir with a cell of one's own beside it; a glob as the axis of a grid; a task.py in the way."""
    (tmp_path / "own_cell.py").write_text("from longlag.cells import RNNCell\n\n\nclass Mine(RNNCell):\n    pass\n")
    (tmp_path / "my_conf" / "cell").mkdir(parents=True)
    (tmp_path / "my_conf" / "cell" / "mine.yaml").write_text("_target_: own_cell.Mine\nhidden_size: 3\n")
    (tmp_path / "tasks.py").write_text("raise ImportError('not this one')\n")
    said = longlag("train", "--config-dir", "my_conf", "-m", "cell=glob(*)", *(t for t in tiny if "hidden" not in t))
    sys.modules.pop("own_cell")
    assert said.code == 0
    names = {path.stem for path in (conf_dir() / "cell").glob("*.yaml")}
    assert [row[0] for row in table(said)] == sorted([*names, "mine"])


def test_what_varies_in_a_grid_gets_a_column_and_a_rate_of_its_own(longlag, tiny):
    said = longlag("train", "-m", *tiny, "optimizer.lr=0.1,0.001", "seed=0,1")
    assert [row[4] for row in table(said)] == ["0.1", "0.1", "0.001", "0.001"]
    assert said.out.count("0 of 2") == 2


MY_TASK = '''
import torch

from longlag.task import Batch, ClassificationTask, check_integer


class Echo(ClassificationTask):
    """Name the symbol that came first. T is the sequence length."""

    input_size = output_size = 3
    chance_accuracy = 1 / 3
    alphabet = answers = ("a", "b", "c")

    def __init__(self, T=10, splits=None):
        check_integer("T", T, 2, "a symbol and a gap")
        super().__init__(T, splits)

    def sample(self, n, generator):
        symbols = torch.randint(3, (n, self.T), generator=generator)
        return Batch.answered_last(torch.eye(3)[symbols], symbols[:, 0])
'''


def test_a_task_of_the_readers_own_from_another_folder(longlag, tiny, tmp_path):
    """As CONTRIBUTING says: a module, a YAML, and nothing else edited. Every command takes it."""
    (tmp_path / "my_tasks.py").write_text(MY_TASK)
    (tmp_path / "my_conf" / "task").mkdir(parents=True)
    (tmp_path / "my_conf" / "task" / "echo.yaml").write_text(
        "defaults:\n  - splits: endless\n  - _self_\n_target_: my_tasks.Echo\nT: 8\n"
    )
    mine = ("--config-dir", "my_conf", "task=echo")
    said = longlag("train", *mine, *tiny)
    assert said.code == 0
    assert table(said)[0][1] == "echo"
    assert runs()[0].config["task"]["splits"]["train_size"] is None
    assert longlag("show", *mine, "--n", "1").out.startswith("echo, T=8")
    assert longlag("audit", *mine, "--steps", "2", "--guesses", "2").out.splitlines()[1].startswith("echo")
    said = longlag("train", *mine, "task.T=1")
    sys.modules.pop("my_tasks")
    assert (said.code, said.err.count("\n")) == (2, 1)


def test_a_sweep_over_every_task(longlag, tmp_path):
    """Two steps each, at a lag that all of them can have."""
    names = sorted(path.stem for path in (conf_dir() / "task").glob("*.yaml"))
    said = longlag(
        "train", "-m", f"task={','.join(names)}", "task.T=16", "cell.hidden_size=4", "task.splits.batch_size=4",
        "task.splits.train_size=null", "task.splits.val_size=2", "task.splits.test_size=2", "trainer.max_steps=2",
        "trainer.val_check_interval=1", "logger=csv",
    )  # fmt: skip
    assert said.code == 0
    found = {run.config["run"]["task"]: run for run in runs()}
    assert sorted(found) == names
    for name, run in found.items():
        assert run.status.state in ("done", "solved"), name
        assert 0 <= run.summary["val/acc"] <= 1
        assert run.summary["early_gradient_init"] > 0
    assert "splits" not in said.out  # each task has sizes of its own, which are no columns


@pytest.mark.parametrize(
    "more",
    [
        (),
        pytest.param(("trainer=ddp_cpu",), marks=pytest.mark.slow),
        pytest.param(("-m", "seed=0", "hydra/launcher=local"), marks=pytest.mark.slow),
    ],
)
def test_the_status_holds_what_one_needs_to_trust_the_numbers(longlag, tiny, more):
    """Of a run in this process, on two ranks, and in a worker: what the ranks and the worker know is the same."""
    assert longlag("train", *more, *tiny).code == 0
    (run,) = runs()
    status = run.status
    assert status.command == shlex.join(["longlag", "train", *more, *tiny])
    assert status.engine in ("native", "torch"), "auto is no engine that runs a cell"
    assert status.engine == "torch" or status.engine_level in ("avx512", "avx2", "plain")
    assert status.processor == processor()
    assert status.threads == 1
    assert status.host == socket.gethostname()
    assert (status.commit, status.clean) == (None, None), "an empty folder is no repository"
    assert status.versions.keys() >= {"longlag", "torch", "python"}


def test_the_engine_that_was_named_is_the_one_that_ran(longlag, tiny):
    assert longlag("train", *tiny, "engine=eager").code == 0
    (run,) = runs()
    assert (run.status.engine, run.status.engine_level) == ("eager", None)
