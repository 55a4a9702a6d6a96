"""One run on two real processes (gloo)."""

import signal
from pathlib import Path

import pytest
import torch
from offline_wandb import read_offline
from processes import assert_gone, started, wait_for_checkpoint

from longlag.runs import read_study
from longlag.runs.claim import holder_of
from longlag.runs.error_flow_csv import read_error_flow
from longlag.runs.metrics_csv import read_metrics

TWO = ("trainer=ddp_cpu", "task.T=8", "cell.hidden_size=4", "trainer.max_steps=6", "trainer.val_check_interval=2")


def only(study):
    (run,) = read_study(Path("outputs") / study)
    return run


@pytest.mark.parametrize(
    "task",
    [
        pytest.param(["task.splits.val_size=101"], marks=pytest.mark.slow),
        pytest.param(  # 2048 sequences: the latest 2000 are judged
            ["task=adding", "task.splits.val_size=300", "trainer.max_steps=8"], marks=pytest.mark.slow
        ),
        ["task=embedded_reber", "task.T=9", "task.splits.val_size=11"],  # and the training set
    ],
)
def test_two_processes_do_what_one_does(longlag, tiny, task):
    """The global batch is the same, so the result is, to float32's precision: the sums are split in another way."""
    assert longlag("train", *tiny, *task, "study=one").code == 0
    said = longlag("train", *TWO, *task, "study=two")
    assert said.code == 0
    one, two = only("one"), only("two")
    assert two.status.state == "done"
    rows = [read_metrics(run.folder.metrics) for run in (one, two)]
    if "task=adding" in task:
        assert "recent/acc" in rows[0][8]
    if "task=embedded_reber" in task:
        assert "train/acc" in rows[0][6]
    assert rows[0].keys() == rows[1].keys()
    for step, row in rows[0].items():
        assert rows[1][step] == pytest.approx(row, rel=1e-5, abs=1e-7)
    flows = [read_error_flow(run.folder.error_flow) for run in (one, two)]
    assert flows[0].keys() == flows[1].keys()
    for key, lags in flows[0].items():  # logarithms to six digits
        assert flows[1][key] == {name: pytest.approx(values, rel=1e-5, abs=1e-5) for name, values in lags.items()}
    weights = [torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"] for run in (one, two)]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=1e-4, atol=1e-5)
    assert len(read_offline(two.folder.path)) == 1  # one W&B run, from the first rank
    assert "Traceback" not in said.err


@pytest.mark.slow
def test_a_grid_of_runs_on_two_processes_replays_nothing(longlag):
    said = longlag("train", "-m", *TWO, "logger=csv", "seed=0,1")
    assert said.code == 0
    assert [run.status.state for run in read_study(Path("outputs/default"))] == ["done", "done"]
    assert [line[:5] for line in said.err.splitlines() if line.startswith("[")] == ["[1/2]", "[2/2]"]


HALF_WAY = """
import os
from lightning.pytorch.callbacks import Callback


class FailsHalfWay(Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if module.seed == 1 and trainer.global_step == 3 and os.environ["LOCAL_RANK"] == "1":
            raise RuntimeError("the second rank has had enough")
"""


@pytest.mark.slow
def test_ddp_inside_a_multirun(longlag, tmp_path):
    """Three jobs of two processes each, one of which fails: three folders, three W&B runs, nothing left behind."""
    (tmp_path / "half_way.py").write_text(HALF_WAY)
    grid = (*TWO, "seed=0,1,2", "+callbacks.fails._target_=half_way.FailsHalfWay")
    with started("train", "-m", *grid, cwd=tmp_path) as process:
        out, err = process.communicate(timeout=300)
        assert_gone(process.pid)
    assert process.returncode == 1
    assert [line[:5] for line in err.splitlines() if line.startswith("[")] == ["[1/3]", "[2/3]", "[3/3]"]
    assert "not ended: 1 of 3 runs" in out

    found = read_study(tmp_path / "outputs" / "default")
    assert [(run.config["seed"], run.status.state) for run in found] == [(0, "done"), (1, "failed"), (2, "done")]
    assert len([path for path in (tmp_path / "outputs").glob("*/*") if path.is_dir()]) == 3
    assert "RuntimeError: the second rank has had enough" in found[1].folder.log.read_text()
    assert all(holder_of(run.folder.path) is None for run in found)
    mirrors = []
    for run in found:
        (mirror,) = read_offline(run.folder.path)  # from the first rank alone
        mirrors.append(mirror)
        assert (mirror.config["seed"], mirror.summary["state"]) == (run.config["seed"], run.status.state)
        assert mirror.exit_code == (1 if run.status.state == "failed" else 0)
        rows = {row["_step"]: row["val/acc"] for row in mirror.history if "val/acc" in row}
        metrics = read_metrics(run.folder.metrics)
        assert rows == {step: row["val/acc"] for step, row in metrics.items() if "val/acc" in row}
        assert list(rows) == ([2] if run.status.state == "failed" else [2, 4, 6])
    assert len({mirror.id for mirror in mirrors}) == 3

    assert longlag("train", *TWO, "seed=2", "study=alone").code == 0  # no trace of the one that failed before it
    alone, last = (torch.load(run.folder.last_checkpoint, weights_only=True) for run in (only("alone"), found[2]))
    assert all(torch.equal(values, last["state_dict"][name]) for name, values in alone["state_dict"].items())


@pytest.mark.slow
def test_runs_on_one_process_and_on_two_in_one_grid(longlag):
    """Each has its W&B file, closed, in its own folder."""
    small = ("task.T=8", "cell.hidden_size=4", "trainer.max_steps=2", "trainer.val_check_interval=2")
    assert longlag("train", "-m", *small, "trainer=cpu,ddp_cpu,cpu", "seed=0,1").code == 0
    for run in read_study(Path("outputs/default")):
        (mirror,) = read_offline(run.folder.path)
        assert mirror.exit_code == 0
        assert mirror.summary["state"] == "done"


def test_a_diverged_run_ends_on_both(longlag):
    said = longlag("train", *TWO, "logger=csv", "optimizer=sgd", "optimizer.lr=1e38")
    assert said.code == 0
    assert only("default").status.state == "diverged"


@pytest.mark.slow
def test_a_rank_that_dies_fails_the_run(longlag, tmp_path):
    (tmp_path / "mortal.py").write_text(
        "import os\nfrom longlag.cells import LSTMCell\n\n\nclass Mortal(LSTMCell):\n    def forward(self, x, state):\n"
        "        if os.environ.get('LOCAL_RANK') == '1':\n            os._exit(7)\n"
        "        return super().forward(x, state)\n"
    )
    said = longlag("train", *TWO, "logger=csv", "cell._target_=mortal.Mortal")
    assert said.code == 1
    assert only("default").status.state == "failed"


@pytest.mark.parametrize(
    ("signum", "background"),
    [
        (signal.SIGINT, False),
        pytest.param(signal.SIGTERM, False, marks=pytest.mark.long),
        pytest.param(signal.SIGTERM, True, marks=pytest.mark.slow),
    ],
)
def test_a_signal_to_the_parent_reaches_the_ranks(tmp_path, signum, background):
    """Nothing goes on training, and the status says what happened."""
    arguments = ("logger=csv", "task.T=40", "trainer.max_steps=100000")
    with started("train", *TWO, *arguments, cwd=tmp_path, background=background) as process:
        wait_for_checkpoint(process, tmp_path / "outputs" / "default")
        process.send_signal(signum)
        _, err = process.communicate(timeout=60)  # which ends only when the ranks have closed the pipe too
    assert process.returncode == 1
    assert "Traceback" not in err
    (run,) = read_study(tmp_path / "outputs" / "default")
    assert run.status.state == "interrupted"


@pytest.mark.slow
def test_a_run_that_was_cut_on_two_processes_resumes_exactly(longlag):
    longer = ("trainer.max_steps=10", "logger=csv", "task/splits=endless")
    longlag("train", *TWO, *longer, "study=whole")
    longlag("train", *TWO, "logger=csv", "task/splits=endless", "study=parts")
    assert longlag("train", f"resume={only('parts').folder.path}", "trainer.max_steps=10").code == 0
    weights = [torch.load(only(s).folder.last_checkpoint, weights_only=True)["state_dict"] for s in ("whole", "parts")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


RECORDER = """
import pathlib
import torch
from lightning.pytorch.callbacks import Callback


class Recorder(Callback):
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.write(trainer, f"train{trainer.global_step}", batch)

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        self.write(trainer, f"val{trainer.global_step}-{dataloader_idx}-{batch_idx}", batch)

    def write(self, trainer, name, batch):
        self.folder.mkdir(exist_ok=True)
        torch.save(tuple(batch), self.folder / f"{name}.{trainer.global_rank}.pt")
"""


def recorded(folder):
    """Return what was seen: name of the batch -> the batch, put together from the shares of the ranks."""
    names = sorted({path.name.split(".")[0] for path in folder.iterdir()})
    found = {}
    for name in names:
        shares = [torch.load(path) for path in sorted(folder.glob(f"{name}.*.pt"))]
        size = sum(len(share[0]) for share in shares)
        fields = []
        for parts in zip(*shares, strict=True):
            whole = torch.empty(size, *parts[0].shape[1:], dtype=parts[0].dtype)
            for rank, part in enumerate(parts):
                whole[rank :: len(parts)] = part
            fields.append(whole)
        found[name] = fields
    return found


@pytest.mark.slow
@pytest.mark.parametrize("task", [pytest.param("adding", marks=pytest.mark.long), "embedded_reber"])
def test_two_ranks_together_see_what_one_sees_also_after_an_interruption(longlag, tmp_path, task):
    """A stream of varying lengths, and a fixed set whose batches are shuffled: every batch, number by number."""
    (tmp_path / "recorder.py").write_text(RECORDER)
    small = [
        f"task={task}",
        "task.T=10",
        "cell.hidden_size=2",
        "task.splits.batch_size=8",
        *(["task.splits.train_size=16"] if task == "embedded_reber" else []),
        "task.splits.val_size=10",
        "task.splits.test_size=4",
        "trainer.val_check_interval=2",
        "logger=csv",
        "+callbacks.recorder._target_=recorder.Recorder",
    ]

    def train(name, steps, *more):
        arguments = [*small, f"study={name}", f"+callbacks.recorder.folder={tmp_path / name}"]
        assert longlag("train", *arguments, f"trainer.max_steps={steps}", *more).code == 0

    train("one", 6)
    train("two", 4, "trainer=ddp_cpu")
    assert longlag("train", f"resume={only('two').folder.path}", "trainer.max_steps=6", "trust=true").code == 0
    one, two = recorded(tmp_path / "one"), recorded(tmp_path / "two")
    assert [name for name in one if name.startswith("train")] == [f"train{step}" for step in range(6)]
    assert one.keys() == two.keys()
    for name, fields in one.items():
        for field, other in zip(fields, two[name], strict=True):
            assert torch.equal(field, other), name
