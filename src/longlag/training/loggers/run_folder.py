"""The recorder of the run folder."""

import time
from collections.abc import Mapping

from lightning.pytorch.loggers import Logger
from lightning_utilities.core.rank_zero import rank_zero_only

from longlag.runs.error_flow_csv import ErrorFlowTable
from longlag.runs.metrics_csv import MetricsTable
from longlag.task.lightning_internals import is_first_process
from longlag.training.loggers.recorder import Recorder
from longlag.training.loggers.run_info import RunInfo


class MetricsLogger(Recorder, Logger):
    """Write ``metrics.csv``, whole each time, and ``error_flow.csv``, which grows.

    It writes both files before every checkpoint, and else seldom enough to cost a fiftieth of the run.
    """

    def __init__(self, info: RunInfo) -> None:
        super().__init__()
        self.info = info
        self.table = MetricsTable(info.folder.metrics, until=info.resume_at)
        self.error_flow = ErrorFlowTable(info.folder.error_flow, until=info.resume_at)
        self._next_write = 0.0

    @property
    def name(self) -> str:
        """The study."""
        return self.info.study

    @property
    def version(self) -> str:
        """The run."""
        return self.info.folder.path.name

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Add figures to the row of a step."""
        self.table.add(step, values)
        self.save()

    def record_error_flow(self, step: int, flows: Mapping[int, Mapping[str, list[float]]]) -> None:
        """Add a measurement of the error flow."""
        for layer, lags in flows.items():
            self.error_flow.add(step, layer, lags)

    @rank_zero_only
    def save(self) -> None:
        """Write the files, if the last write is long enough ago."""
        if not self.in_population and time.monotonic() >= self._next_write:
            self._write()

    def before_checkpoint(self) -> None:
        """Write the files."""
        if is_first_process():
            self._write()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the files."""
        self._write(durable=True)

    def _write(self, durable: bool = False) -> None:
        start = time.monotonic()
        self.table.write(durable)
        self.error_flow.write(durable)
        end = time.monotonic()
        self._next_write = end + max(0.5, 50 * (end - start))
