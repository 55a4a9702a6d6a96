"""``hydra/launcher=here``, the default: the jobs of a grid in this process, one after the other or as populations."""

from collections.abc import Iterable

from hydra.core.utils import JobReturn
from omegaconf import DictConfig

from longlag.launch.batch import Batch
from longlag.launch.populations import HowMany, assignments


def run_here(batch: Batch, configs: Iterable[DictConfig], jobs: int, how_many: HowMany) -> list[JobReturn]:
    """Run jobs, and return the result of each for Hydra's sweeper.

    Args:
        batch: of the jobs.
        configs: of the jobs; each is composed when its turn comes.
        jobs: how many there are.
        how_many: says how many populations the jobs of one kind form.

    Raises:
        KeyboardInterrupt: a run was interrupted; its status says so.
        SystemExit: a job failed, and ``fail_fast`` is set.

    """
    for assignment in assignments(batch.take, configs, jobs, how_many, batch.say):
        if assignment is not None:
            batch.run(assignment)
        if batch.failed_fast:
            raise SystemExit(1)
    return batch.returns
