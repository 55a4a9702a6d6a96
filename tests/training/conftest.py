"""Runs of a few steps, made from the real configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from longlag import compose
from longlag.runs import RunFolder
from longlag.settings.plan import plan_of
from longlag.training.run_plan import RunPlan


@pytest.fixture
def plan(tmp_path: Path, tiny: tuple[str, ...]) -> Callable[..., RunPlan]:
    """Return a plan for a tiny run: ``plan("cell=rnn", folder="a")``."""

    def make(*overrides: str, folder: str = "run", **changes: Any) -> RunPlan:
        made = plan_of(compose(*tiny, *overrides), RunFolder(tmp_path / folder), Console(quiet=True))
        for name, value in changes.items():
            object.__setattr__(made, name, value)
        return made

    return make
