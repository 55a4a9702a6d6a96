"""The environment of a process decides neither which W&B run a folder has, nor whether a run can start."""

import logging
import os
import pwd
from pathlib import Path

import pytest
import wandb
from lightning.pytorch.callbacks import Callback
from offline_wandb import read_offline

from longlag.training.run import train_run


@pytest.fixture(autouse=True)
def _no_account(monkeypatch, tmp_path):
    wandb.teardown()  # W&B reads the environment once; first, or the address of its ended service would be put back
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield
    wandb.teardown()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WANDB_SWEEP_ID", "abcdefgh"),
        ("WANDB_LAUNCH", "true"),
        ("WANDB_RUN_ID", "somebody"),
        ("WANDB_RESUME", "never"),
    ],
)
def test_a_run_that_goes_on_is_one_run_of_wandb(plan, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    made = plan("logger=wandb", "stop_when_solved=false")
    train_run(made)
    assert train_run(plan("logger=wandb", "stop_when_solved=false", "trainer.max_steps=8")).state == "done"
    parts = read_offline(made.folder.path)
    assert len(parts) == 2
    ids = {file.stem for file in made.folder.path.glob("wandb/offline-run-*/run-*.wandb")}
    assert ids == {f"run-{(made.folder.path / 'wandb' / 'run-id').read_text()}"}
    assert os.environ[name] == value


@pytest.mark.parametrize(("name", "value"), [("WANDB_MODE", "disabled"), ("WANDB_DISABLED", "true")])
def test_the_environment_can_switch_wandb_off(plan, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    made = plan("logger=wandb")
    assert train_run(made).state == "done"
    assert not (made.folder.path / "wandb").exists()
    assert made.folder.metrics.exists()
    assert "the run is not copied to W&B" in made.folder.log.read_text()


def test_a_user_without_a_home_and_an_entry_in_passwd_trains(plan, monkeypatch):
    def nobody(*_):
        raise KeyError("no such user")

    monkeypatch.delenv("HOME")
    for name in ("getpwuid", "getpwnam"):
        monkeypatch.setattr(pwd, name, nobody)
    with pytest.raises(RuntimeError):
        Path.home()
    made = plan("logger=wandb")
    status = train_run(made)
    assert (status.state, status.reason) == ("done", "")
    assert len(read_offline(made.folder.path)) == 1
    home = Path(os.environ["HOME"])
    assert home.stat().st_mode & 0o777 == 0o700


class Talks(Callback):
    def on_train_start(self, *_: object) -> None:
        logging.getLogger("matplotlib").warning("a temporary cache directory")
        logging.getLogger("some.library").error("no such thing")


def test_the_lines_of_other_libraries_go_to_the_log(plan, capfd):
    made = plan("logger=wandb")
    made.callbacks.append(Talks())
    train_run(made)
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    log = made.folder.log.read_text()
    assert "WARNING matplotlib: a temporary cache directory" in log
    assert "ERROR some.library: no such thing" in log
