"""What the processes that a command starts have in common: where they import from, and when they end."""

import ctypes
import os
import signal
import sys
from pathlib import Path

_PARENT = "LONGLAG_PARENT"
_PR_SET_PDEATHSIG = 1  # of Linux's prctl


def command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module; the current folder does not come before what is installed."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment() -> dict[str, str]:
    """Return what a process is told by this one: where to import from, and who started it.

    Not told is which service of W&B this one has: shared, it would hold the run of a process that was killed.
    """
    places = [place or str(Path.cwd()) for place in sys.path]
    path = os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")])])
    others = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    return {**others, "PYTHONPATH": path, _PARENT: str(os.getpid())}


def begin() -> None:
    """Begin as such a process: listen to the one that started this one, and end with it.

    It stops its processes by SIGINT, which a shell that started it in the background has had ignored; other signals
    are its own to take, and a batch system sends them to every process. When it is gone, nobody holds the run any
    more: the kernel kills this process then.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if str(os.getppid()) != os.environ.get(_PARENT, str(os.getppid())):  # it was gone before
        sys.exit(1)
