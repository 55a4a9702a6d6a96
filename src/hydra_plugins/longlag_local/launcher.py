"""Hydra's side of ``hydra/launcher=local``. Hydra imports this at every start, so it imports next to nothing."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

if TYPE_CHECKING:
    from longlag.cli.local import LocalMachine


class LocalLauncher(Launcher):
    """Packs jobs onto the cores and GPUs of one machine.

    Args:
        jobs: how many at once; ``None``: as many as there are cores for, or as the GPUs take.
        threads: of each process.
        jobs_per_gpu: how many share a GPU.

    """

    def __init__(self, jobs: int | None = None, threads: int = 1, jobs_per_gpu: int = 1) -> None:
        self.jobs = jobs
        self.threads = threads
        self.jobs_per_gpu = jobs_per_gpu
        self._machine: LocalMachine | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what Hydra hands over."""
        self.context = hydra_context
        self.function = task_function
        self.config = config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run a batch of jobs.

        Args:
            job_overrides: what is typed for each.
            initial_job_idx: the number of the first.

        """
        from longlag.cli.local import LocalMachine

        setup_globals()
        if self._machine is None:
            self._machine = LocalMachine(self.jobs, self.threads, self.jobs_per_gpu, self.context, self.function)
        return self._machine.launch(
            self._composed(job_overrides, initial_job_idx), initial_job_idx + len(job_overrides)
        )

    def _composed(self, job_overrides: Sequence[Sequence[str]], first: int) -> Iterator[DictConfig]:
        for number, overrides in enumerate(job_overrides, start=first):
            config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
            with open_dict(config):
                config.hydra.job.id = config.hydra.job.num = number
            yield config
