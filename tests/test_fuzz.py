"""A slice of ``make fuzz``: odd requests, damaged run folders and killed grids."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


@pytest.mark.slow
def test_a_slice_of_the_fuzz_finds_nothing():
    done = subprocess.run(
        [sys.executable, str(TESTS / "fuzz"), "--requests", "40", "--folders", "40", "--kills", "2"],
        env={**os.environ, "PYTHONPATH": str(TESTS), "WANDB_MODE": "offline"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tally = dict(re.findall(r"^([a-z ]+): (\d+)$", done.stdout, flags=re.MULTILINE))
    assert len(tally) == 6
    assert set(tally.values()) == {"0"}
    assert re.search(r"^\d+ cases in ", done.stdout, flags=re.MULTILINE)
