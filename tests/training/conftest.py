"""Runs of a few steps, made from the real configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import open_dict
from rich.console import Console

from longlag.cli.assemble import assemble
from longlag.cli.configs import conf_dir, frozen
from longlag.runs import RunFolder
from longlag.training.run import RunPlan


@pytest.fixture
def plan(tmp_path: Path, tiny: tuple[str, ...]) -> Callable[..., RunPlan]:
    """Return a plan for a tiny run: ``plan("cell=rnn", folder="a")``."""

    def make(*overrides: str, folder: str = "run", **changes: Any) -> RunPlan:
        typed = [*tiny, *overrides]
        with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
            config = hydra.compose("train", overrides=typed, return_hydra_config=True)
        choices = config.hydra.runtime.choices
        with open_dict(config):
            del config["hydra"]
        settings = frozen(config, choices, typed)
        made = assemble(settings, RunFolder(tmp_path / folder), Console(quiet=True))
        for name, value in changes.items():
            object.__setattr__(made, name, value)
        return made

    return make
