"""The curves of runs, read back: ``metrics.csv`` and ``error_flow.csv``."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from longlag.runs import RunRecord
from longlag.runs.error_flow import read_error_flow
from longlag.runs.metrics import read_metrics


@dataclass(frozen=True)
class RunCurves:
    """A run with its curves.

    Args:
        record: the run.
        metrics: optimizer step -> figures; empty if none were recorded.
        flow: (optimizer step, layer) -> column -> a value for each lag, see ``longlag.runs.error_flow``; empty if it
            was not measured.

    """

    record: RunRecord
    metrics: dict[int, dict[str, float]]
    flow: dict[tuple[int, int], dict[str, list[float]]]


def read_curves(records: Iterable[RunRecord], warn: Callable[[str], None] = lambda message: None) -> list[RunCurves]:
    """Read the curves of runs.

    Args:
        records: the runs.
        warn: is told of each file that cannot be read; the run is then without it.

    """
    return [RunCurves(record, *_curves_of(record, warn)) for record in records]


def _curves_of(record: RunRecord, warn: Callable[[str], None]) -> tuple[dict, dict]:  # type: ignore[type-arg]
    found = []
    for path, read in ((record.folder.metrics, read_metrics), (record.folder.error_flow, read_error_flow)):
        try:
            found.append(read(path) if path.exists() else {})
        except OSError as error:
            warn(f"{path} cannot be read: {error.strerror}")
            found.append({})
        except ValueError as error:
            warn(str(error))
            found.append({})
    return found[0], found[1]
