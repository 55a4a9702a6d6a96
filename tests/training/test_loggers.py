import os

import pytest
import wandb
from offline_wandb import read_offline

from longlag.runs.metrics import read_metrics
from longlag.training.loggers import WandbLoggers
from longlag.training.run import train_run


@pytest.fixture(autouse=True)
def _no_account(monkeypatch, tmp_path):
    """No key, no settings of this machine: as on a computer that has never heard of W&B."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_the_offline_file_has_everything(plan):
    made = plan("logger=wandb", "study=first", "trainer.log_every_n_steps=2")
    train_run(made)
    (run,) = read_offline(made.folder.path)
    assert run.name == "lstm delayed_xor T=8 b=1 seed=0"
    assert run.group == "first"
    assert run.project == "longlag"
    assert sorted(run.tags) == ["delayed_xor", "lstm"]
    assert {key: run.config[key] for key in made.config} == made.config
    assert run.config["task"]["T"] == 8

    rows = read_metrics(made.folder.metrics)
    for name in ("train/loss", "val/acc", "val/loss", "early_gradient", "test/acc"):
        mirrored = {row["trainer/global_step"]: row[name] for row in run.history if name in row}
        assert mirrored == {step: row[name] for step, row in rows.items() if name in row}
        assert mirrored, name

    summary = made.folder.read_summary()
    for name in ("test/acc", "solved", "solved_step", "solved_sequences", "early_gradient_init", "state"):
        assert run.summary[name] == summary[name]
    assert run.exit_code == 0
    assert wandb.run is None


def test_it_is_closed_after_an_exception_and_the_next_run_has_a_file_of_its_own(plan):
    failing = plan("logger=wandb", folder="failing")

    def no_loss(outputs, batch):
        raise RuntimeError("no loss today")

    failing.task.loss = no_loss
    assert train_run(failing).state == "failed"
    assert wandb.run is None
    (run,) = read_offline(failing.folder.path)
    assert run.exit_code == 1
    assert run.summary["state"] == "failed"
    assert not any("train/loss" in row for row in run.history)

    after = plan("logger=wandb", "seed=1", folder="after")
    train_run(after)
    (other,) = read_offline(after.folder.path)
    assert other.id != run.id
    assert other.config["seed"] == 1
    assert any("val/acc" in row for row in other.history)


def test_a_resumed_run_keeps_its_id(plan):
    train_run(plan("logger=wandb"))
    made = plan("logger=wandb", "trainer.max_steps=8")
    train_run(made)
    first, second = read_offline(made.folder.path)
    assert first.id == second.id
    assert max(row["trainer/global_step"] for row in second.history) == 8


def test_offline_wins_over_the_environment(plan, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    made = plan("logger=wandb")
    assert train_run(made).state == "done"
    assert len(read_offline(made.folder.path)) == 1


def test_online_without_an_account_fails_before_it_trains_and_says_why(plan):
    made = plan("logger=wandb", "logger.mode=online")
    status = train_run(made)
    assert (status.state, status.step) == ("failed", 0)
    assert status.reason.startswith("ConnectionError: W&B did not start: No API key configured")
    assert status.reason.endswith("; logger.mode=offline needs no account, no network")
    assert wandb.run is None


def test_a_figure_of_1e_300_reaches_the_csv_and_wandb(plan):
    made = plan("logger=wandb")
    made.probe._measure = lambda trainer, module: module.record({"early_gradient": 1e-300}) or 1e-300
    train_run(made)
    (run,) = read_offline(made.folder.path)
    assert {row["early_gradient"] for row in run.history if "early_gradient" in row} == {1e-300}
    assert {row["early_gradient"] for row in read_metrics(made.folder.metrics).values()} == {1e-300}


def test_an_unknown_mode_is_refused():
    with pytest.raises(
        ValueError, match=r"mode must be offline or online, got 'dryrun' \(logger=csv does without W&B\)"
    ):
        WandbLoggers("dryrun", "longlag", None)
