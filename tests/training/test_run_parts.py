"""The parts of a run, built ahead of it: neither they nor the process show when they were built."""

import random

import lightning
import numpy as np
import torch

from longlag.training.run_parts import RunParts


def state():
    """The next draw of each global random generator, which stays as it is."""
    kept = torch.get_rng_state(), np.random.get_state(), random.getstate()
    drawn = torch.rand(3).tolist(), np.random.random(3).tolist(), random.random()
    torch.set_rng_state(kept[0])
    np.random.set_state(kept[1])
    random.setstate(kept[2])
    return drawn


def test_building_leaves_the_random_generators_as_they_were(plan):
    made = plan()
    before = state()
    parts = RunParts(made)
    assert parts.model is parts.model
    assert parts.trainer is parts.trainer
    assert state() == before


def test_the_generators_go_on_from_the_building_of_the_model_whenever_that_was(plan):
    made = plan("seed=5")
    parts = RunParts(made)
    weights = parts.model.state_dict()
    lightning.seed_everything(99, verbose=False)
    parts.seed()
    went_on = state()
    lightning.seed_everything(5, verbose=False)
    at_once = made.model().state_dict()
    assert state() == went_on
    assert all(torch.equal(weights[key], at_once[key]) for key in weights)
