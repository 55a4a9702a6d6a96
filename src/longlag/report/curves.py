"""The curves of runs, from ``metrics.csv`` and ``error_flow.csv``; a file that cannot be read costs a warning."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from longlag.runs import RunRecord
from longlag.runs.error_flow_csv import read_error_flow
from longlag.runs.metrics_csv import read_metrics

Warn = Callable[[str], None]
Table = TypeVar("Table")


@dataclass(frozen=True)
class RunCurves:
    """A run with its curves.

    Args:
        record: the run.
        metrics: optimizer step -> metric -> value; empty if nothing was recorded.
        flow: (optimizer step, layer) -> column -> a value for each lag, see ``longlag.runs.error_flow_csv``; empty if
            the error flow was not measured.

    """

    record: RunRecord
    metrics: dict[int, dict[str, float]]
    flow: dict[tuple[int, int], dict[str, list[float]]]


def read_curves(records: Iterable[RunRecord], warn: Warn = lambda message: None) -> list[RunCurves]:
    """Read the curves of runs.

    Args:
        records: the runs.
        warn: receives a line for each file that cannot be read; the run then has no such curves.

    """
    return [
        RunCurves(
            record, recorded_metrics(record, warn), read_or_warn(record.folder.error_flow, read_error_flow, warn) or {}
        )
        for record in records
    ]


def recorded_metrics(record: RunRecord, warn: Warn) -> dict[int, dict[str, float]]:
    """Read the metrics of a run, optimizer step -> metric -> value; empty if there are none that can be read."""
    return read_or_warn(record.folder.metrics, read_metrics, warn) or {}


def read_or_warn(path: Path, read: Callable[[Path], Table], warn: Warn) -> Table | None:
    """Read a file; ``None`` if there is none, or if it cannot be read, which ``warn`` then receives."""
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        warn(f"{path} cannot be read: {error.strerror}")
    except ValueError as error:
        warn(str(error))
    return None
