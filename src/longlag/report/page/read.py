"""The curves of a run as the page needs them: the metrics whole, the error flow packed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from longlag.report.curves import read_or_warn, recorded_metrics
from longlag.report.page.pack_flow import read_packed_flow
from longlag.runs import RunRecord


@dataclass(frozen=True)
class PageRun:
    """A run with the curves that the page shows.

    Args:
        record: the run.
        metrics: optimizer step -> metric -> value; empty if nothing was recorded.
        flow: the error flow, packed, see ``packed_flow``; empty if it was not measured.

    """

    record: RunRecord
    metrics: dict[int, dict[str, float]]
    flow: dict[str, Any]


def read_for_page(record: RunRecord, flow_most: int, warn: Callable[[str], None]) -> PageRun:
    """Read a run.

    Args:
        record: the run.
        flow_most: about how many values of the error flow are kept.
        warn: receives a line for each file that cannot be read.

    """
    metrics = recorded_metrics(record, warn)
    flow = read_or_warn(record.folder.error_flow, partial(read_packed_flow, most=flow_most), warn)
    return PageRun(record, metrics, flow or {})
