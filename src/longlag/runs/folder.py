"""The run folder: where a run writes, and what is read back from it."""

import contextlib
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from longlag.metric import Metric
from longlag.runs.files import fault_of_file, fault_of_folder, write_whole
from longlag.runs.schema import DamagedRunError, JsonObject, damaged, read_config, read_json, to_yaml
from longlag.runs.status import Status

#: The files that a run writes, in the order in which they come into being; those of W&B and the checkpoints aside.
_FILES = (
    ".claim.lock", "claim.json", "meeting.json", "config.yaml", "status.json", "metrics.json", "metrics.csv",
    "error_flow.csv", "train.log", "summary.json", "checkpoints/best.ckpt", "checkpoints/last.ckpt", "wandb/run-id",
)  # fmt: skip
_FOLDERS = ("checkpoints", "wandb")
#: What a run has only if it has a status.
_LATER = ("metrics.json", "metrics.csv", "error_flow.csv", "train.log", "summary.json", "checkpoints", "wandb")
_metric = TypeAdapter(Metric)


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run.

    It holds ``config.yaml`` (the settings, resolved), ``status.json``, ``metrics.csv``, ``error_flow.csv``,
    ``summary.json``, ``checkpoints/``, ``train.log`` and, where W&B records, ``wandb/``.
    """

    path: Path

    @property
    def metrics(self) -> Path:
        """The curves."""
        return self.path / "metrics.csv"

    @property
    def error_flow(self) -> Path:
        """The error flow."""
        return self.path / "error_flow.csv"

    @property
    def checkpoints(self) -> Path:
        """The folder of ``best.ckpt`` and ``last.ckpt``."""
        return self.path / "checkpoints"

    @property
    def best_checkpoint(self) -> Path:
        """The checkpoint with the best validation accuracy."""
        return self.checkpoints / "best.ckpt"

    @property
    def last_checkpoint(self) -> Path:
        """From where a run is resumed."""
        return self.checkpoints / "last.ckpt"

    @property
    def log(self) -> Path:
        """What the run had to say, tracebacks among it."""
        return self.path / "train.log"

    def write_config(self, config: dict[str, Any]) -> None:
        """Write ``config.yaml``."""
        write_whole(self.path / "config.yaml", to_yaml(config))

    def read_config(self) -> dict[str, Any]:
        """Read ``config.yaml``.

        Raises:
            DamagedRunError: it is not there, or holds no configuration of a run.

        """
        path = self.path / "config.yaml"
        try:
            return read_config(path)
        except FileNotFoundError as error:
            raise DamagedRunError(f"{self.path} holds no run: no config.yaml ({error.strerror})") from error

    def write_status(self, status: Status) -> None:
        """Write ``status.json``."""
        self._write_json("status.json", status.to_dict())

    def read_status(self) -> Status | None:
        """Read ``status.json``; ``None`` if there is none.

        Raises:
            DamagedRunError: it cannot be read.

        """
        try:
            return read_json(self.path / "status.json", Status)
        except FileNotFoundError:
            return None

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write ``summary.json``."""
        self._write_json("summary.json", summary)

    def read_summary(self) -> dict[str, Any]:
        """Read ``summary.json``; empty if there is none that can be read."""
        return self._read_json("summary.json")

    def write_metric_declarations(self, metrics: Iterable[Metric]) -> None:
        """Write ``metrics.json``: the declaration of each metric that the run records."""
        self._write_json("metrics.json", {metric.key: metric.to_dict() for metric in metrics})

    def read_metric_declarations(self) -> dict[str, Metric]:
        """Read ``metrics.json``: key -> declaration; empty if there is none, without those that cannot be read."""
        declared = {}
        for key, values in self._read_json("metrics.json").items():
            with contextlib.suppress(ValidationError):
                declared[key] = _metric.validate_python(values)
        return declared

    def check_places(self) -> None:
        """Check that nothing of the run is a link or of another kind: a run writes to no place outside of its folder.

        Raises:
            DamagedRunError: something is; the message names the file.

        """
        try:
            for path, fault_of in self._places():
                if (fault := fault_of(path)) is not None:
                    raise DamagedRunError(f"cannot use {path}: {fault}, and a run keeps to its own folder")
        except OSError as error:  # such as a name that is too long
            raise DamagedRunError(f"cannot write to {self.path}: {error.strerror}") from error

    def _places(self) -> Iterator[tuple[Path, Callable[[Path], str | None]]]:
        """Yield the places to which a run writes, each with the function that finds a fault there."""
        parts = [part for part in (self.path / "wandb").glob("*run-*") if part.name != "latest-run"]  # W&B's own link
        for path in (*(self.path / name for name in _FOLDERS), *(part for part in parts if part.name != "run-id")):
            yield path, fault_of_folder
        for name in _FILES:
            yield self.path / name, fault_of_file

    def check_content(self) -> None:
        """Check that the folder is empty or holds a run that can be read: other files may be a person's data.

        Raises:
            DamagedRunError: it cannot be read.

        """
        self.check_places()
        if self.read_status() is not None:
            return
        for name in _LATER:
            if (self.path / name).exists():
                raise damaged(self.path / name, "it is there, and there is no status.json")
        if (self.path / "config.yaml").exists():
            self.read_config()

    def holds_anything(self) -> bool:
        """Return whether something lies in the folder beside the claim on it."""
        return any(path.name not in (".claim.lock", "claim.json") for path in self.path.iterdir())

    def set_aside(self) -> Path:
        """Rename the folder to the first free ``NAME~1``, ``NAME~2``, … and return that; nobody is at it then."""
        k = 1
        while os.path.lexists(aside := self.path.with_name(f"{self.path.name}~{k}")):
            k += 1
        self.path.rename(aside)
        (aside / "claim.json").unlink(missing_ok=True)
        return aside

    def _write_json(self, name: str, values: dict[str, Any]) -> None:
        write_whole(self.path / name, json.dumps(values, indent=2) + "\n")

    def _read_json(self, name: str) -> JsonObject:
        try:
            return read_json(self.path / name, JsonObject)
        except (FileNotFoundError, DamagedRunError):
            return {}


@dataclass(frozen=True)
class RunRecord:
    """A run, read back.

    Args:
        folder: where it is.
        config: its settings.
        status: its status.
        summary: its figures; empty until it has ended.

    """

    folder: RunFolder
    config: dict[str, Any]
    status: Status
    summary: dict[str, Any]


def read_run(path: Path) -> RunRecord | None:
    """Read the run in a folder; ``None`` if it holds none."""
    try:
        return whole_run(path)
    except DamagedRunError:
        return None


def whole_run(path: Path) -> RunRecord:
    """Read the run in a folder.

    Raises:
        DamagedRunError: the folder holds no run, or one that cannot be read.

    """
    folder = RunFolder(path)
    config, status = folder.read_config(), folder.read_status()
    if status is None:
        raise DamagedRunError(f"{path} holds no run: no status.json")
    return RunRecord(folder, config, status, folder.read_summary())


def has_run(path: Path) -> bool:
    """Return whether a folder is that of a run, which may be damaged."""
    return any(os.path.lexists(path / name) for name in ("config.yaml", "status.json"))


def read_study(path: Path, warn: Callable[[str], None] = lambda message: None) -> list[RunRecord]:
    """Read the runs of a study, in the order of their folders' names, numbers as numbers; those set aside are left out.

    Args:
        path: the folder of the study.
        warn: called with a line about each folder that holds no readable run.

    """
    records = []
    for folder in sorted((p for p in path.iterdir() if p.is_dir() and "~" not in p.name), key=_natural):
        try:
            run = whole_run(folder)
        except DamagedRunError as error:
            warn(str(error) if has_run(folder) else f"{folder} holds no run that can be read")
            continue
        if run.status.finished and not run.summary:
            warn(f"{folder} has ended and has no summary that can be read: it counts in no rate")
        records.append(run)
    return records


def _natural(path: Path) -> list[tuple[float, str]]:
    """Return by what paths are sorted so that T20 comes before T100, and b-1 before b0."""
    parts = re.split(r"((?<=[a-zA-Z])-?\d+(?:\.\d+)?)", path.name)
    return [(float(part), "") if k % 2 else (-math.inf, part) for k, part in enumerate(parts)]
