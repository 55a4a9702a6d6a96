"""``longlag`` in a process of its own, which a test can wait for, signal and kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def edited(arguments):
    """A command line in which a later KEY=VALUE takes the place of an earlier one, as who types it again edits it."""
    kept = {}
    for argument in arguments:
        key = argument.lstrip("+~").partition("=")[0] if "=" in argument and not argument.startswith("-") else argument
        kept[key if key != argument else (argument, len(kept))] = argument
    return list(kept.values())


@contextmanager
def started(*arguments: str, cwd: Path, background: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Start ``longlag ARGUMENTS`` in a folder; whatever the test does, the process is gone afterwards.

    As at a terminal, or in the background of a shell, which has SIGINT ignored: wherever the tests themselves run.
    """
    on_interrupt = signal.SIG_IGN if background else signal.default_int_handler
    command = [sys.executable, "-m", "longlag", *edited(arguments)]
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"},  # as a shell has none
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, on_interrupt),
    )
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


def processes_of(parent: int) -> list[int]:
    """The processes that were started by a process, and by those: where they import from says who did."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            told = (place / "environ").read_bytes().split(b"\0")
            state = (place / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if f"LONGLAG_PARENT={parent}".encode() in told and state != "Z":
            found.append(int(place.name))
    return found


def assert_gone(parent: int) -> None:
    """Wait until a process has none left that it, or one of those, has started."""
    deadline = time.monotonic() + 10
    while left := processes_of(parent):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _found(study: Path) -> bool:
    try:
        return bool(list(study.glob("*/checkpoints/last.ckpt")))
    except FileNotFoundError:  # a folder that was there a moment ago
        return False
