"""The facts about a process and its machine that one needs to trust, or to repeat, the numbers of a run."""

import functools
import os
import platform
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

#: A process that a command starts finds the command line of this command here.
COMMAND = "LONGLAG_COMMAND"
_GIT_S = 10.0  # the most seconds that git may take


@dataclass(frozen=True)
class Commit:
    """The commit of the reader's own repository.

    Args:
        commit: the full hash.
        clean: whether no tracked file differs from it.

    """

    commit: str
    clean: bool


def command_line() -> str:
    """Return the command that a person typed; in a process that a command has started, that of this command."""
    return os.environ.get(COMMAND) or shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


@functools.cache
def processor() -> str:
    """Return the name of the processor; on Linux with its family and model."""
    facts: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    name = facts.get("model name") or platform.processor() or platform.machine()
    numbers = [f"{part} {facts[key]}" for part, key in (("family", "cpu family"), ("model", "model")) if key in facts]
    return f"{name} ({', '.join(numbers)})" if numbers else name


@functools.cache
def commit_of(folder: Path) -> Commit | None:
    """Return the commit that is checked out in a folder; ``None`` outside of a git repository, or without git."""
    commit = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return None if commit is None or changes is None else Commit(commit, clean=not changes)


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=_GIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
