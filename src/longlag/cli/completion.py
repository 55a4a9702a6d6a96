"""Shell completion: commands and their flags; Hydra completes the settings, and the shell the folders."""

import contextlib
import importlib
import io
import os
import re
from collections.abc import Sequence

from longlag.cli.commands import COMMANDS

_OF_FOLDERS = ("runs", "report", "publish", "jacobian", "reproduce")  # the shell itself completes what they take


def complete(arguments: Sequence[str]) -> int:
    """Install the completion, or answer a query of the shell about the line in ``COMP_LINE``; return the exit code."""
    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    if any(argument.startswith("query=") for argument in arguments):
        if len(words) < 2 or (len(words) == 2 and not line.endswith(" ")):
            print(" ".join(COMMANDS))
            return 0
        command, last = words[1], "" if line.endswith(" ") else words[-1]
        if last.startswith("-"):
            print(" ".join(_flags(command)))
            return 0
        if command in _OF_FOLDERS:
            return 0
        os.environ["COMP_LINE"] = line.replace(f" {command}", "", 1)
    code: int = importlib.import_module("longlag.cli.train").run(list(arguments))
    return code


def _flags(command: str) -> list[str]:
    """Return the flags that the help text of a command names."""
    if command not in COMMANDS:
        return []
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        importlib.import_module(COMMANDS[command][0]).run(["--help"])
    usage = text.getvalue().partition("\nGroups")[0]  # below it are comments of YAML files, also a reader's
    return sorted(set(re.findall(r"(?:^|[ ,\[(])(--?[a-z][a-z-]*)", usage, flags=re.MULTILINE)))
