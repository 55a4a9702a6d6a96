"""The curves of a run, read for the page; what cannot be read costs a line of warning, and the run is without it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longlag.report.page.flow import packed_flow
from longlag.runs import RunRecord
from longlag.runs.metrics import read_metrics


@dataclass(frozen=True)
class RunPages:
    """A run with what the page shows of its curves.

    Args:
        record: the run.
        metrics: optimizer step -> figures; empty if none were recorded.
        flow: the error flow, packed, see ``packed_flow``; empty if it was not measured.

    """

    record: RunRecord
    metrics: dict[int, dict[str, float]]
    flow: dict[str, Any]


def read_for_page(record: RunRecord, flow_most: int, warn: Callable[[str], None]) -> RunPages:
    """Read a run.

    Args:
        record: the run.
        flow_most: as many values of the error flow as may be kept, about.
        warn: is told of each file that cannot be read.

    """
    folder = record.folder
    metrics = _read(folder.metrics, "metrics", read_metrics, warn)
    flow = _read(folder.error_flow, "error flow", lambda path: packed_flow(path.read_text("utf-8"), flow_most), warn)
    return RunPages(record, metrics, flow)


def _read(path: Path, of: str, read: Callable[[Path], dict[Any, Any]], warn: Callable[[str], None]) -> dict[Any, Any]:
    try:
        return read(path)
    except FileNotFoundError:
        return {}
    except OSError as error:
        warn(f"{path} cannot be read: {error.strerror}")
    except ValueError as error:
        said = str(error)
        warn(said if said.startswith(str(path)) else f"{path} is not a table of {of}: {said}")
    return {}
