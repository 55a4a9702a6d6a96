"""One run on two real processes (gloo)."""

from pathlib import Path

import torch
from offline_wandb import read_offline

from longlag.runs import read_study
from longlag.runs.metrics import read_metrics

TWO = ("trainer=ddp_cpu", "task.T=8", "cell.hidden_size=4", "trainer.max_steps=6", "trainer.val_check_interval=2")


def only(study):
    (run,) = read_study(Path("outputs") / study)
    return run


def test_two_processes_do_what_one_does(longlag, tiny):
    """The global batch is the same, so the result is, to float32's precision: the sums are split in another way."""
    assert longlag("train", *tiny, "task.splits.val_size=101", "study=one").code == 0
    said = longlag("train", *TWO, "task.splits.val_size=101", "study=two")
    assert said.code == 0
    one, two = only("one"), only("two")
    assert two.status.state == "done"
    rows = [read_metrics(run.folder.metrics) for run in (one, two)]
    assert rows[0].keys() == rows[1].keys()
    for step, row in rows[0].items():
        assert row.keys() == rows[1][step].keys()
        for name, value in row.items():
            assert abs(rows[1][step][name] - value) <= 1e-5 * abs(value) + 1e-7, (step, name)
    weights = [torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"] for run in (one, two)]
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=1e-4, atol=1e-5)
    assert len(read_offline(two.folder.path)) == 1  # one W&B run, from the first rank
    assert "Traceback" not in said.err


def test_a_grid_of_runs_on_two_processes_replays_nothing(longlag):
    said = longlag("train", "-m", *TWO, "logger=csv", "seed=0,1")
    assert said.code == 0
    assert [run.status.state for run in read_study(Path("outputs/default"))] == ["done", "done"]
    assert [line[:5] for line in said.err.splitlines() if line.startswith("[")] == ["[1/2]", "[2/2]"]


def test_a_diverged_run_ends_on_both(longlag):
    said = longlag("train", *TWO, "logger=csv", "optimizer=sgd", "optimizer.lr=1e38")
    assert said.code == 0
    assert only("default").status.state == "diverged"


def test_a_rank_that_dies_fails_the_run(longlag, tmp_path):
    (tmp_path / "mortal.py").write_text(
        "import os\nfrom longlag.cells import LSTMCell\n\n\nclass Mortal(LSTMCell):\n    def forward(self, x, state):\n"
        "        if os.environ.get('LOCAL_RANK') == '1':\n            os._exit(7)\n"
        "        return super().forward(x, state)\n"
    )
    said = longlag("train", *TWO, "logger=csv", "cell._target_=mortal.Mortal")
    assert said.code == 1
    assert only("default").status.state == "failed"
