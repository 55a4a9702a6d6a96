"""The run folder: where a run writes, and what is read back from it."""

import contextlib
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from longlag.metric import Metric
from longlag.runs.files import write_whole
from longlag.runs.status import Status

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is several times faster, where PyYAML has it


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
    def last_checkpoint(self) -> Path:
        """From where a run is resumed."""
        return self.checkpoints / "last.ckpt"

    @property
    def log(self) -> Path:
        """What the run had to say, tracebacks among it."""
        return self.path / "train.log"

    def write_config(self, config: dict[str, Any]) -> None:
        """Write ``config.yaml``."""
        write_whole(self.path / "config.yaml", yaml.safe_dump(config, sort_keys=False))

    def read_config(self) -> dict[str, Any]:
        """Read ``config.yaml``.

        Raises:
            ValueError: it is not there, or not YAML with a mapping in it.

        """
        try:
            config = yaml.load((self.path / "config.yaml").read_text(), Loader=_Loader)
        except (OSError, yaml.YAMLError) as error:
            raise ValueError(f"{self.path} holds no run: {_first_line(error)}") from error
        if not isinstance(config, dict):
            raise ValueError(f"{self.path} holds no run: its config.yaml is not a mapping")
        return config

    def write_status(self, status: Status) -> None:
        """Write ``status.json``."""
        self._write_json("status.json", status.to_dict())

    def read_status(self) -> Status | None:
        """Read ``status.json``; ``None`` if there is none that can be read."""
        values = self._read_json("status.json")
        try:
            return None if values is None else Status(**values)
        except (TypeError, ValueError):
            return None

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write ``summary.json``."""
        self._write_json("summary.json", summary)

    def read_summary(self) -> dict[str, Any]:
        """Read ``summary.json``; empty if there is none that can be read."""
        return self._read_json("summary.json") or {}

    def write_metric_declarations(self, metrics: Iterable[Metric]) -> None:
        """Write ``metrics.json``: the declaration of each metric that the run records."""
        self._write_json("metrics.json", {metric.key: metric.to_dict() for metric in metrics})

    def read_metric_declarations(self) -> dict[str, Metric]:
        """Read ``metrics.json``: key -> declaration; empty if there is none, without those that cannot be read."""
        declared = {}
        for key, values in (self._read_json("metrics.json") or {}).items():
            with contextlib.suppress(TypeError, ValueError):
                declared[key] = Metric(**values)
        return declared

    def set_aside(self) -> Path:
        """Rename the folder to the first free ``NAME~1``, ``NAME~2``, … and return that; nobody is at it then."""
        k = 1
        while (aside := self.path.with_name(f"{self.path.name}~{k}")).exists():
            k += 1
        self.path.rename(aside)
        (aside / "claim.json").unlink(missing_ok=True)
        return aside

    def _write_json(self, name: str, values: dict[str, Any]) -> None:
        write_whole(self.path / name, json.dumps(values, indent=2) + "\n")

    def _read_json(self, name: str) -> dict[str, Any] | None:
        try:
            values = json.loads((self.path / name).read_text())
        except (OSError, ValueError):
            return None
        return values if isinstance(values, dict) else None


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
    folder = RunFolder(path)
    status = folder.read_status()
    if status is None:
        return None
    try:
        config = folder.read_config()
    except ValueError:
        return None
    if not isinstance(config.get("run"), dict):
        return None
    return RunRecord(folder, config, status, folder.read_summary())


def read_study(path: Path, warn: Callable[[str], None] = lambda message: None) -> list[RunRecord]:
    """Read the runs of a study, in the order of their folders' names, numbers as numbers; those set aside are left out.

    Args:
        path: the folder of the study.
        warn: called with a line about each folder that holds no readable run.

    """
    records = []
    for folder in sorted((p for p in path.iterdir() if p.is_dir() and "~" not in p.name), key=_natural):
        run = read_run(folder)
        if run is None:
            warn(f"{folder} holds no run that can be read")
            continue
        if run.status.finished and not run.summary:
            warn(f"{folder} has ended and has no summary that can be read: it counts in no rate")
        records.append(run)
    return records


def _natural(path: Path) -> list[tuple[float, str]]:
    """Return by what paths are sorted so that T20 comes before T100, and b-1 before b0."""
    parts = re.split(r"((?<=[a-zA-Z])-?\d+(?:\.\d+)?)", path.name)
    return [(float(part), "") if k % 2 else (-math.inf, part) for k, part in enumerate(parts)]


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"no config.yaml ({error.strerror})"
    return f"its config.yaml cannot be read ({str(error).splitlines()[0]})"
