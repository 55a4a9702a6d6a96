"""The run folder: what a run leaves behind, its status, and reading it back."""

from longlag.runs.folder import RunFolder, RunRecord, read_run, read_study
from longlag.runs.status import Status

__all__ = ["RunFolder", "RunRecord", "Status", "read_run", "read_study"]
