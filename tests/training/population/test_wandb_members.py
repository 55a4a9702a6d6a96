"""Many W&B runs in one process: the offline files of each member are whole, and those of the run alone."""

import pytest
from members import population
from offline_wandb import read_offline

from longlag.training.run import train_run

STEPS = ("trainer.max_steps=6", "trainer.val_check_interval=2", "trainer.log_every_n_steps=2", "logger=wandb")


TIMES = ("_timestamp", "_runtime", "_wandb.runtime", "seconds")


def without_times(folder):
    """Return what the one W&B run of a run folder holds; its pictures have names of their own."""
    (run,) = read_offline(folder)
    assert {name.rpartition("/")[2].split("_")[0] for name in run.media} == {"map", "curve"}

    def kept(values):
        return {key: value for key, value in values.items() if key not in TIMES and not key.startswith("error_flow/")}

    history = [kept(row) for row in run.history]
    return run.config, history, kept(run.summary), run.exit_code, run.metrics, run.tags


@pytest.mark.parametrize("count", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_each_member_has_a_run_of_its_own(plan, tmp_path, count):
    ended = population([plan(*STEPS, f"seed={k}", folder=f"member{k}") for k in range(count)])
    assert [status.state for status in ended.values()] == ["done"] * count
    for k in range(0, count, max(1, count // 5)):
        train_run(plan(*STEPS, f"seed={k}", folder=f"alone{k}"))
        alone, member = (without_times(tmp_path / f"{who}{k}") for who in ("alone", "member"))
        assert member == alone
    assert all(len(read_offline(tmp_path / f"member{k}")) == 1 for k in range(count))
