"""Checking jobs before they run, by building the parts of their runs."""

import json

from longlag.jobs.job import Job
from longlag.settings.names import apart_from_seed
from longlag.training.run_parts import RunParts

_MOST_KEPT = 16  # each holds a model


class Rehearsal:
    """Checks the jobs of a command. Of jobs that differ in the seed alone, it builds one.

    Args:
        keep: whether the parts of the runs are kept for :meth:`take`, because this process runs the jobs.

    """

    def __init__(self, keep: bool = False) -> None:
        self._keep = keep
        self._processes: dict[str, int] = {}
        self._kept: dict[str, RunParts] = {}
        self._trainers: set[str] = set()

    def check(self, job: Job) -> int:
        """Build the run of a job, unless one like it has been built; return the number of processes that it wants.

        Raises:
            RequestError: a part cannot be built, or the folder cannot be written to.

        """
        kind = apart_from_seed(job.settings)
        if kind not in self._processes:
            parts = job.build()
            self._processes[kind] = parts.trainer.num_devices
            self._trainers.add(json.dumps(job.settings["trainer"], sort_keys=True, default=str))
            if self._keep and parts.trainer.num_devices == 1 and len(self._kept) < _MOST_KEPT:
                self._kept[str(job.folder.path)] = parts
        return self._processes[kind]

    def take(self, job: Job) -> RunParts | None:
        """Return the parts of a job's run, once; ``None`` if they are not kept.

        A Trainer sets switches of the whole process, as for ``deterministic``. So with jobs whose Trainers differ, the
        Trainer of a job is built again when its turn comes.
        """
        parts = self._kept.pop(str(job.folder.path), None)
        if parts is not None and len(self._trainers) > 1:
            parts.forget_trainer()
        return parts
