"""The rows of the paper: each has an experiment that makes the published net, and that trains."""

import pytest
from rich.console import Console

from longlag import build_model, build_task, compose
from longlag.papers import read_paper
from longlag.runs import RunFolder
from longlag.settings.plan import build_parts, plan_of
from longlag.training.callbacks.stopping import StopRequest
from longlag.training.population.train import train_alone

ROWS = read_paper("hochreiter1997")
EXPERIMENTS = sorted({row.experiment for row in ROWS})


def test_all_lstm_rows_are_there():
    assert (len(ROWS), len(EXPERIMENTS)) == (37, 31)
    assert len({row.name for row in ROWS}) == 37


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_experiment_makes_the_published_net_at_the_published_rate(row):
    settings = compose(f"experiment=hochreiter1997/{row.experiment}")
    model = build_model(settings, build_task(settings))
    assert sum(part.numel() for part in model.parameters()) == row.weights
    assert settings["optimizer"]["lr"] == row.learning_rate
    assert settings["trainer"]["max_steps"] > row.sequences
    widest = settings["model"]["readout_range"]
    assert all(part.abs().max() <= widest for part in model.readout.parameters())
    assert settings["cell"]["weight_range"] == widest


@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if "1000" not in name])
def test_a_trial_of_a_few_sequences_trains(experiment, tmp_path):
    sizes = ("task.splits.val_size=4", "task.splits.test_size=4")
    few = ("trainer.max_steps=8", "trainer.val_check_interval=8", "trainer.precision=64-true")
    settings = compose(f"experiment=hochreiter1997/{experiment}", *sizes, *few)
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    parts = build_parts(plan_of(settings, folder, Console(quiet=True)), trainer=False)
    status = train_alone(parts, StopRequest())
    assert status.state in ("done", "solved"), status.reason
