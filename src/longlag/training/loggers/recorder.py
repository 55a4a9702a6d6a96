"""Recorders: the loggers of a run folder, which take the figures of a run as they are."""

from collections.abc import Mapping
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_only


class Recorder:
    """A logger that takes figures from :class:`~longlag.training.SequenceModule` directly, in float64.

    Lightning sends what is logged by ``self.log`` to every logger, at the steps of its own choice. A recorder ignores
    the metrics that it has recorded directly, and takes all others: those of a reader's callbacks.
    """

    _recorded: frozenset[str] = frozenset({"epoch"})  # which Lightning adds; a run counts steps
    _step = 0
    in_population = False
    """Whether the run is one of many in this process: then files are written before a checkpoint and at the end."""

    def record(self, values: Mapping[str, float], step: int) -> None:
        """Add figures to the row of a step; only the first process calls it.

        Args:
            values: of each metric, by its key.
            step: the optimizer steps taken.

        """
        if not values.keys() <= self._recorded:
            self._recorded |= values.keys()
        self._step = step
        self.add(values, step)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add what Lightning sends, without the metrics that are recorded directly."""
        others = {name: value for name, value in metrics.items() if name not in self._recorded}
        if others:
            assert step is not None
            self.add(others, max(step, self._step))  # at validation, Lightning counts one step less

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Add figures to the row of a step."""
        raise NotImplementedError

    def record_error_flow(self, step: int, flows: Mapping[int, Mapping[str, list[float]]]) -> None:
        """Add a measurement of the error flow; nothing unless a recorder keeps it.

        Args:
            step: the optimizer steps taken.
            flows: layer -> column of ``error_flow.csv`` -> a value for each lag, from lag 0 on.

        """

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Take the figures by which runs are compared; nothing in the run folder, which has them already."""

    def close(self, exit_code: int) -> None:
        """End, after the run: 0 if it came to its end."""

    def before_checkpoint(self) -> None:
        """Write what is not written yet: a run that goes on from this checkpoint needs all rows before it."""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: ``config.yaml`` holds the settings."""
