"""``longlag`` in a process of its own, which a test can wait for, signal and kill."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def started(*arguments: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Start ``longlag ARGUMENTS`` in a folder; whatever the test does, the process is gone afterwards."""
    command = [sys.executable, "-m", "longlag", *arguments]
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_checkpoint(process: subprocess.Popen[str], study: Path) -> None:
    """Wait until a run of the study has a checkpoint; the process must still be going on then."""
    while not _found(study):
        assert process.poll() is None, "it ended before its first checkpoint"
        time.sleep(0.05)


def _found(study: Path) -> bool:
    try:
        return bool(list(study.glob("*/checkpoints/last.ckpt")))
    except FileNotFoundError:  # a folder that was there a moment ago
        return False
