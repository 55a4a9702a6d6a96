"""Run a script beside a test in a process of its own: Triton looks at its variables once."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NO_TRITON = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="the package triton is not installed")


def said_by(script: Path, *arguments: str, **variables: str) -> Any:
    """What a script prints, which is JSON in its last line."""
    tests = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *filter(None, sys.path)]), **variables}
    command = [sys.executable, str(script), *arguments]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout.splitlines()[-1])
