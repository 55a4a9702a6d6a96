"""``hydra/launcher=here``, the default: the jobs of a grid in this process, one after the other."""

from collections.abc import Iterable

from hydra.core.utils import JobReturn
from omegaconf import DictConfig

from longlag.launch.batch import Batch


def run_here(batch: Batch, configs: Iterable[DictConfig]) -> list[JobReturn]:
    """Run jobs, and return the result of each for Hydra's sweeper.

    Args:
        batch: of the jobs.
        configs: of the jobs; each is composed when its turn comes.

    Raises:
        KeyboardInterrupt: a run was interrupted; its status says so.
        SystemExit: a job failed, and ``fail_fast`` is set.

    """
    for config in configs:
        queued = batch.take(config)
        if queued is not None:
            batch.run(queued)
        if batch.failed_fast:
            raise SystemExit(1)
    return batch.returns
