"""What all tests share: one thread a process, an empty folder to run in, and the command line as a function."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from processes import edited

from longlag.cli.main import main

# Two test processes with two threads each get in each other's way; the processes that tests start follow the variable.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"

#: A run that takes a fraction of a second: with these, nothing else need be said.
TINY = ("task.T=8", "cell.hidden_size=4", "trainer.max_steps=6", "trainer.val_check_interval=2", "logger=csv")


class Said(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def longlag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run ``longlag ARGUMENTS`` in an empty folder, in this process; what the ranks of a run say is caught too.

    A later KEY=VALUE takes the place of an earlier one, unless ``as_typed`` is set.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(__import__("sys").path))

    def run(*arguments: str, as_typed: bool = False) -> Said:
        capfd.readouterr()
        code = main(arguments if as_typed else edited(arguments))
        said = capfd.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture
def tiny() -> tuple[str, ...]:
    return TINY
