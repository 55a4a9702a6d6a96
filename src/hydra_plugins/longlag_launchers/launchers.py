"""Hydra's side of the launchers. Hydra imports this at every start, so the module imports next to nothing."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from longlag.launch.assignment import Assignment
    from longlag.launch.batch import Batch
    from longlag.launch.local.launcher import LocalMachine


class GridLauncher(Launcher):
    """Composes the jobs of a grid, and has other processes run them."""

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
        setup_globals()
        count = len(job_overrides)
        return self.run(self._composed(job_overrides, initial_job_idx), count, initial_job_idx + count)

    @abstractmethod
    def run(self, configs: Iterator[DictConfig], count: int, total: int) -> list[JobReturn]:
        """Run jobs, and return the result of each for Hydra's sweeper, in their order.

        Args:
            configs: of the jobs, with Hydra's own node; each is composed when its turn comes.
            count: the number of jobs.
            total: the same, with those of earlier batches.

        """

    @staticmethod
    @abstractmethod
    def populations(launcher: DictConfig, jobs: int, at_once: int) -> int:
        """Return how many populations the jobs of one kind form.

        Args:
            launcher: the settings of this launcher.
            jobs: the number of jobs of the kind.
            at_once: the most members at once.

        """

    def _composed(self, job_overrides: Sequence[Sequence[str]], first: int) -> Iterator[DictConfig]:
        from longlag.launch.session import session

        composer = session().composer
        assert composer is not None, "the look ahead comes first"
        for number, overrides in enumerate(job_overrides, start=first):
            yield composer.whole(overrides, number)


class HereLauncher(GridLauncher):
    """Runs the jobs of a grid in this process, one after the other."""

    runs_here = True

    def run(self, configs: Iterator[DictConfig], count: int, total: int) -> list[JobReturn]:
        """Run jobs."""
        from rich.console import Console

        from longlag.launch.batch import Batch
        from longlag.launch.here import run_here

        batch = Batch(Console(stderr=True), self.context, self.function)
        return run_here(batch, configs, count, partial(self.populations, self.config.hydra.launcher))

    @staticmethod
    def populations(launcher: DictConfig, jobs: int, at_once: int) -> int:
        """Return one: members that leave it make room for others."""
        return 1


class LocalLauncher(GridLauncher):
    """Packs jobs onto the cores and GPUs of one machine.

    Args:
        jobs: the number at once; ``None``: one for each core, or as many as the GPUs take.
        threads: of each process.
        jobs_per_gpu: the number of jobs that share a GPU.

    """

    def __init__(self, jobs: int | None = None, threads: int = 1, jobs_per_gpu: int = 1) -> None:
        self.jobs = jobs
        self.threads = threads
        self.jobs_per_gpu = jobs_per_gpu
        self._machine: LocalMachine | None = None

    @staticmethod
    def prepare(launcher: DictConfig, jobs: int) -> None:
        """Start workers while the grid is still looked ahead at.

        Args:
            launcher: the settings of this launcher.
            jobs: the number of jobs in the grid.

        """
        from longlag.launch.local.spares import start_spares

        start_spares(launcher, jobs)

    @staticmethod
    def populations(launcher: DictConfig, jobs: int, at_once: int) -> int:
        """Return one for each slot of this machine."""
        from longlag.launch.local.slots import cores, slots_of

        return len(slots_of(launcher.jobs, launcher.threads, launcher.jobs_per_gpu, cores(), []).gpus)

    def run(self, configs: Iterator[DictConfig], count: int, total: int) -> list[JobReturn]:
        """Run jobs on workers, which stay from one batch to the next."""
        from longlag.launch.local.launcher import LocalMachine

        if self._machine is None:
            self._machine = LocalMachine(self.jobs, self.threads, self.jobs_per_gpu, self.context, self.function)
        return self._machine.launch(configs, count, total)


class ClusterLauncher(GridLauncher):
    """Sends the jobs of a grid away, and waits for them."""

    def run(self, configs: Iterator[DictConfig], count: int, total: int) -> list[JobReturn]:
        """Send away those jobs that are to be run."""
        from rich.console import Console

        from longlag.launch.batch import Batch
        from longlag.launch.populations import assignments

        batch, lines = Batch(Console(stderr=True), self.context, self.function), list[str]()
        how_many = partial(self.populations, self.config.hydra.launcher)
        formed = assignments(batch.take, configs, count, how_many, lines.append)
        ready = [assignment for assignment in formed if assignment is not None]
        if ready and not batch.failed_fast:
            self.check()
            for line in lines:
                batch.say(line)
            self.send(batch, ready)
        return batch.returns

    def check(self) -> None:
        """Check that the jobs can be sent away.

        Raises:
            RequestError: they cannot.

        """
        return

    @staticmethod
    def populations(launcher: DictConfig, jobs: int, at_once: int) -> int:
        """Return so many that each of them trains whole at once."""
        return -(-jobs // at_once)

    @abstractmethod
    def send(self, batch: "Batch", ready: "list[Assignment]") -> None:
        """Run jobs and populations elsewhere, tell the batch how each job has ended, and return when all have."""


class SlurmLauncher(ClusterLauncher):
    """Each job or population of a grid is a job of SLURM, and all are one array.

    A job is one task a node, which starts its ranks.

    Args:
        folder: where submitit keeps its files; on a disk that the nodes share.
        name: of the jobs.
        timeout_min: the minutes until SLURM ends a job.
        signal_delay_s: the seconds before that at which a job saves a checkpoint and queues up again.
        max_requeues: the most times that it may.
        array_parallelism: the most jobs at once.
        threads: of each process.
        cpus_per_task: cores of each job, on each of its nodes.
        gpus_per_node: GPUs of each job, likewise; ``None`` is SLURM's own choice, as in all that follow.
        mem_gb: memory of each job, likewise, in GB.
        partition: of the nodes.
        account: that is charged.
        qos: quality of service.
        constraint: what a node must have.
        setup: lines of shell before each job.
        additional_parameters: further options of sbatch, by their long names.

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
        of_slurm = {
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
            "tasks_per_node": 1,
            **{f"slurm_{key}": value for key, value in of_slurm.items()},
        }
        self.parameters = {key: value for key, value in every.items() if value is not None}

    def check(self) -> None:
        """Check that SLURM is installed."""
        from longlag.launch.slurm import check_installed

        check_installed()

    def send(self, batch: "Batch", ready: "list[Assignment]") -> None:
        """Submit the jobs of a batch, and wait until all have ended."""
        from longlag.launch.slurm import submit

        submit(batch, ready, self.folder, self.parameters, self.max_requeues)


class RayLauncher(ClusterLauncher):
    """Each job or population of a grid is a task of Ray.

    Args:
        init: arguments of ``ray.init``.
        remote: the resources of each job: ``num_cpus``, ``num_gpus``, ``resources``.
        threads: of each process.

    """

    def __init__(self, init: DictConfig, remote: DictConfig, threads: int) -> None:
        self.init: Any = OmegaConf.to_container(init)
        self.remote: Any = OmegaConf.to_container(remote)
        self.threads = threads

    def send(self, batch: "Batch", ready: "list[Assignment]") -> None:
        """Give the jobs of a batch to Ray, and wait until all have ended."""
        from longlag.launch.on_ray import run_on_ray

        run_on_ray(batch, ready, self.init, self.remote, self.threads)
