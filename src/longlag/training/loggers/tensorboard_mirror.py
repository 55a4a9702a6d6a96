"""TensorBoard's event files in a run folder."""

import math
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning_utilities.core.rank_zero import rank_zero_only

from longlag.runs.schema import flattened
from longlag.training.loggers.recorder import Recorder
from longlag.training.loggers.run_info import RunInfo

#: The folder of the event files, in the run folder.
FOLDER = "tensorboard"


class TensorBoardMirror(Recorder, TensorBoardLogger):
    """Lightning's logger for TensorBoard, with the rows of ``metrics.csv`` by the optimizer step.

    TensorBoard keeps float32. Its table of hyperparameters has the settings, and the figures of ``summary.json``. Its
    own purge hides what a killed process has written after the checkpoint from which the run goes on.

    Args:
        info: the run.

    """

    def __init__(self, info: RunInfo) -> None:
        purge = None if info.resume_at is None else info.resume_at + 1
        super().__init__(info.folder.path / FOLDER, name="", version="", default_hp_metric=False, purge_step=purge)
        self.info = info

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Add figures of a step."""
        TensorBoardLogger.log_metrics(self, values, step)

    @rank_zero_only
    def before_checkpoint(self) -> None:
        """Write what TensorBoard still holds."""
        self.experiment.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what TensorBoard still holds; the test of the run is yet to come."""
        self.experiment.flush()

    @rank_zero_only
    def write_summary(self, summary: dict[str, Any]) -> None:
        """Add the settings and the figures by which runs are compared to the table of hyperparameters."""
        figures = {
            f"summary/{name}": float(value)
            for name, value in summary.items()
            if isinstance(value, int | float) and math.isfinite(value)
        }
        settings = {  # TensorBoard takes numbers, truth values and text
            key: value if isinstance(value, bool | int | float | str) else str(value)
            for key, value in flattened(self.info.config).items()
        }
        TensorBoardLogger.log_hyperparams(self, settings, figures, int(summary.get("steps") or 0))

    @rank_zero_only
    def close(self, exit_code: int) -> None:
        """Close the event file."""
        self.experiment.close()
