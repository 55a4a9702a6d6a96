"""The processes that a command starts: they import from the same places, and end with it."""

import ctypes
import os
import signal
import sys
from pathlib import Path

from longlag.terminal import print_what_fits

_PARENT = "LONGLAG_PARENT"
_PR_SET_PDEATHSIG = 1  # of Linux's prctl


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module; the current folder does not come before what is installed."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return the variables for a process: where to import from, and which process started it.

    The service of W&B is left out: a shared one would hold the run of a process that was killed.
    """
    places = [place or str(Path.cwd()) for place in sys.path]
    path = os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")])])
    others = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    return {**others, "PYTHONPATH": path, _PARENT: str(os.getpid())}


def begin() -> None:
    """Begin a process that a command has started: obey its SIGINT, and end with it.

    A shell that starts a command in the background lets it ignore SIGINT; this process listens again. It ignores the
    signals that a batch system or a closed terminal sends to every process: the command handles them. When the command
    is gone, the kernel kills this process, because nobody holds the run any more.
    """
    print_what_fits()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if str(os.getppid()) != os.environ.get(_PARENT, str(os.getppid())):  # the command was gone before
        sys.exit(1)
