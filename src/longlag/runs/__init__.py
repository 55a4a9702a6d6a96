"""The run folder: what a run leaves behind, its status, and reading it back."""

import sys

from longlag.errors import RequestError

if sys.platform == "win32":  # file locks, signals and process groups are those of POSIX
    raise RequestError("longlag runs on Linux and macOS; on Windows, install it in WSL (Windows Subsystem for Linux)")

from longlag.runs.folder import RunFolder, RunRecord, has_run, read_run, read_study, whole_run
from longlag.runs.schema import DamagedRunError
from longlag.runs.status import Segment, Status, in_words

__all__ = [
    "DamagedRunError",
    "RunFolder",
    "RunRecord",
    "Segment",
    "Status",
    "has_run",
    "in_words",
    "read_run",
    "read_study",
    "whole_run",
]
