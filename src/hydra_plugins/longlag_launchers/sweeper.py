"""Hydra's side of a grid. Hydra imports this at every start, so the module imports next to nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class GridSweeper(Sweeper):
    """Gives every combination of values to the launcher. The look ahead has composed and checked all jobs by then.

    Args:
        params: axes of an experiment, key -> its values as a person would type them.

    """

    def __init__(self, params: Mapping[str, str] | None = None) -> None:
        self.params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Make the launcher."""
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: Sequence[str]) -> Any:
        """Launch all jobs.

        Args:
            arguments: the overrides as typed.

        """
        from longlag.settings.compose import grid

        jobs = grid([*(f"{key}={values}" for key, values in self.params.items()), *arguments])
        results = self._launcher.launch(jobs, initial_job_idx=0)
        for result in results:
            _ = result.return_value  # which raises the exception of a job that failed
        return [results]
