"""A job is composed once, and its model and Trainer are built once, whoever runs it."""

import hydra._internal.config_loader_impl as loader
import pytest
import torch
from lightning import Trainer
from printed import runs

from longlag.model import SequenceModel


@pytest.fixture
def counts(monkeypatch):
    """Count what is built and composed in this process."""
    counted = {"models": 0, "Trainers": 0, "compositions": 0}

    def count(owner, name, key):
        real = getattr(owner, name)

        def counting(*args, **kwargs):
            counted[key] += 1
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, counting)

    count(SequenceModel, "__init__", "models")
    count(Trainer, "__init__", "Trainers")
    count(loader.ConfigLoaderImpl, "_load_configuration_impl", "compositions")
    return counted


def test_a_run_is_built_once(longlag, tiny, counts):
    assert longlag("train", *tiny).code == 0
    assert counts["models"] == counts["Trainers"] == 1


@pytest.mark.parametrize("grid", [("seed=0,1,2,3",), ("seed=0,1", "task.T=8,9")])
def test_each_run_of_a_grid_is_built_once_and_all_are_composed_together(longlag, tiny, counts, grid):
    assert longlag("train", "-m", *tiny, *grid, "population=1").code == 0
    assert len(runs()) == counts["models"] == counts["Trainers"] == 4
    assert counts["compositions"] == 3  # Hydra's look at its mode, the command, and the one set of choices


@pytest.mark.slow
def test_with_the_local_launcher_the_command_builds_one_job_of_a_kind(longlag, tiny, counts):
    assert longlag("train", "-m", *tiny, "seed=0,1,2", "hydra/launcher=local", "hydra.launcher.jobs=1").code == 0
    assert len(runs()) == 3
    assert counts == {"models": 1, "Trainers": 1, "compositions": 3}


@pytest.mark.filterwarnings("ignore:The ``declarative_base:DeprecationWarning")  # of Optuna's import
def test_each_trial_of_a_search_is_built_once(longlag, tiny, counts):
    search = ("experiment=search_forget_bias", "hydra.sweeper.n_trials=3", "study=search")
    assert longlag("train", "-m", *search, *tiny).code == 0
    assert len(runs("outputs/search")) == 3
    assert counts["models"] == counts["Trainers"] == 1 + 3, "the look ahead builds the settings that all trials share"


def test_what_has_run_is_not_built_again(longlag, tiny, counts):
    assert longlag("train", *tiny).code == 0
    assert longlag("train", *tiny).code == 0
    assert counts["models"] == counts["Trainers"] == 1


SWITCHES = """
import torch
from lightning.pytorch.callbacks import Callback


class Switches(Callback):
    def on_train_start(self, trainer, pl_module):
        with open("seen", "a") as file:
            print(torch.are_deterministic_algorithms_enabled(), file=file)
"""


def test_the_switches_of_one_trainer_do_not_reach_the_run_of_another(longlag, tiny, tmp_path, monkeypatch):
    (tmp_path / "switches.py").write_text(SWITCHES)
    monkeypatch.syspath_prepend(str(tmp_path))
    watched = ("train", "-m", *tiny, "+callbacks.switches._target_=switches.Switches")
    try:
        assert longlag(*watched, "trainer.deterministic=true,false", "study=a").code == 0
        assert longlag(*watched, "trainer.deterministic=false,true", "study=b").code == 0
    finally:
        torch.use_deterministic_algorithms(False)
    assert (tmp_path / "seen").read_text().split() == ["True", "False", "False", "True"]


def test_a_run_that_was_built_ahead_has_the_weights_of_one_that_was_not(longlag, tiny):
    dropping = (*tiny, "model.layers=2", "model.dropout=0.2")
    assert longlag("train", "-m", *dropping, "seed=0,1", "study=grid").code == 0
    for seed in (0, 1):
        assert longlag("train", *dropping, f"seed={seed}", "study=alone").code == 0
    for one, other in zip(runs("outputs/grid"), runs("outputs/alone"), strict=True):
        ours, theirs = (torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"] for run in (one, other))
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)
