"""Hydra's side of the launchers for clusters. Hydra imports this at every start, so it imports next to nothing."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

if TYPE_CHECKING:
    from longlag.cli.errands import Batch


class ClusterLauncher(Launcher):
    """Sends the jobs of a grid away, and waits for them."""

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
        from rich.console import Console

        from longlag.cli.errands import Batch

        setup_globals()
        batch = Batch(self._composed(job_overrides, initial_job_idx), self.context, self.function, Console(stderr=True))
        self.send(batch)
        return batch.returns

    @abstractmethod
    def send(self, batch: "Batch") -> None:
        """Have the jobs of a batch run, and wait until all have ended."""

    def _composed(self, job_overrides: Sequence[Sequence[str]], first: int) -> Iterator[DictConfig]:
        for number, overrides in enumerate(job_overrides, start=first):
            config = self.context.config_loader.load_sweep_config(self.config, list(overrides))
            with open_dict(config):
                config.hydra.job.id = config.hydra.job.num = number
            yield config


class SlurmLauncher(ClusterLauncher):
    """Each job of a grid is a job of SLURM, and all are one array. A job is one task, which starts its ranks itself.

    Args:
        folder: where submitit keeps its files; on a disk that the nodes share.
        name: of the jobs.
        timeout_min: how long a job may run until SLURM ends it, in minutes.
        signal_delay_s: how many seconds before that it is told; it then saves a checkpoint and queues up again.
        max_requeues: how often it may.
        array_parallelism: how many jobs may run at once.
        threads: of each process.
        cpus_per_task: cores of each job.
        gpus_per_node: GPUs of each job; ``None`` is SLURM's own choice, as in all that follow.
        mem_gb: memory of each job, in GB.
        partition: where it may run.
        account: who is charged.
        qos: quality of service.
        constraint: what a node must have.
        setup: lines of shell before each job.
        additional_parameters: what else sbatch is to be given, by its long name.

    """

    def __init__(
        self,
        folder: str,
        name: str,
        timeout_min: int,
        signal_delay_s: int,
        max_requeues: int,
        array_parallelism: int,
        threads: int,
        cpus_per_task: int,
        gpus_per_node: int | None,
        mem_gb: float | None,
        partition: str | None,
        account: str | None,
        qos: str | None,
        constraint: str | None,
        setup: Sequence[str],
        additional_parameters: Mapping[str, Any],
    ) -> None:
        self.folder = folder
        self.max_requeues = max_requeues
        own = {
            "signal_delay_s": signal_delay_s,
            "array_parallelism": array_parallelism,
            "partition": partition,
            "account": account,
            "qos": qos,
            "constraint": constraint,
            "setup": [f"export OMP_NUM_THREADS={threads}", *setup],
            "additional_parameters": {"requeue": True, **additional_parameters},
        }
        every = {
            "name": name,
            "timeout_min": timeout_min,
            "cpus_per_task": cpus_per_task,
            "gpus_per_node": gpus_per_node,
            "mem_gb": mem_gb,
            "nodes": 1,
            "tasks_per_node": 1,
            **{f"slurm_{key}": value for key, value in own.items()},
        }
        self.parameters = {key: value for key, value in every.items() if value is not None}

    def send(self, batch: "Batch") -> None:
        """Submit the jobs of a batch, and wait until all have ended."""
        from longlag.cli.slurm import submit

        submit(batch, self.folder, self.parameters, self.max_requeues)


class RayLauncher(ClusterLauncher):
    """Each job of a grid is a task of Ray.

    Args:
        init: arguments of ``ray.init``.
        remote: what each job takes: ``num_cpus``, ``num_gpus``, ``resources``.
        threads: of each process.

    """

    def __init__(self, init: DictConfig, remote: DictConfig, threads: int) -> None:
        self.init, self.remote = OmegaConf.to_container(init), OmegaConf.to_container(remote)
        self.threads = threads

    def send(self, batch: "Batch") -> None:
        """Give the jobs of a batch to Ray, and wait until all have ended."""
        from longlag.cli.on_ray import run_on_ray

        run_on_ray(batch, self.init, self.remote, self.threads)  # type: ignore[arg-type]
