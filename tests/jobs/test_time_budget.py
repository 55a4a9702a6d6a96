"""A run that ends in time: its checkpoint, its status, the next run of a grid, and the same command typed again."""

import pytest
import torch
from printed import runs, table

from longlag.runs.metrics_csv import read_metrics

#: Over after one step, whatever the machine.
SHORT = "trainer.max_time={milliseconds: 0.001}"


def weights(run):
    return torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"]


def test_a_run_pauses_and_the_same_command_goes_on_with_it(longlag, tiny):
    """It takes a step each time, and is in the end the run without a time budget."""
    assert longlag("train", *tiny, "study=whole").code == 0
    for step in range(1, 6):
        said = longlag("train", *tiny, SHORT, "study=cut")
        assert said.code == 1
        reason = f"trainer.max_time={{'milliseconds': 0.001}} is over at step {step}"
        assert said.err.endswith(f"seed=0: paused: {reason}\n")
        (run,) = runs("outputs/cut")
        assert (run.status.state, run.status.step, run.status.reason) == ("paused", step, reason)
        assert torch.load(run.folder.last_checkpoint, weights_only=True)["global_step"] == step
        assert table(said)[0][6] == "paused"
    assert longlag("train", *tiny, SHORT, "study=cut", "--dry-run").out.startswith("resume ")
    assert longlag("train", *tiny, SHORT, "study=cut").code == 0
    (whole,), (cut,) = runs("outputs/whole"), runs("outputs/cut")
    assert cut.status.state == "done"
    assert cut.folder.path.name == whole.folder.path.name
    assert all(torch.equal(values, weights(cut)[name]) for name, values in weights(whole).items())
    assert read_metrics(whole.folder.metrics) == read_metrics(cut.folder.metrics)


def test_a_time_that_suffices_changes_nothing(longlag, tiny):
    assert longlag("train", *tiny, "trainer.max_time=00:01:00:00").code == 0
    assert "ran already: not solved" in longlag("train", *tiny).err


@pytest.mark.parametrize("launcher", [(), ("hydra/launcher=local", "hydra.launcher.jobs=1")], ids=["here", "local"])
def test_a_grid_goes_on_with_the_next_run(longlag, tiny, launcher):
    said = longlag("train", "-m", *tiny, SHORT, "seed=0,1", *launcher)
    assert said.code == 1
    assert [(run.config["seed"], run.status.state, run.status.step) for run in runs()] == [
        (0, "paused", 1), (1, "paused", 1),
    ]  # fmt: skip
    assert "not ended: 2 of 2 runs" in said.out
    assert "this goes on with them: longlag train -m" in said.out


def test_resume_takes_another_time_also_for_a_run_that_knew_none(longlag, tiny):
    longlag("train", *tiny, "trainer.max_steps=4", SHORT)
    (run,) = runs()
    config = run.folder.read_config()
    del config["trainer"]["max_time"]
    run.folder.write_config(config)
    assert longlag("train", f"resume={run.folder.path}", "trainer.max_time=00:00:10:00").code == 0
    assert (runs()[0].status.state, runs()[0].status.step) == ("done", 4)


@pytest.mark.slow
def test_the_ranks_of_a_run_pause_together(longlag, tiny):
    said = longlag("train", *tiny, SHORT, "trainer=ddp_cpu")
    assert said.code == 1, said.err
    (run,) = runs()
    assert (run.status.state, run.status.step) == ("paused", 1)
