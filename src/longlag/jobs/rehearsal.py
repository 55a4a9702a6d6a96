"""Checking jobs before they run, by building the parts of their runs."""

import json
from typing import NamedTuple

from longlag.jobs.job import Job
from longlag.settings.membership import TaskShape, kind, refusal, why_alone
from longlag.settings.names import apart_from_seed
from longlag.training.run_parts import RunParts

_MOST_KEPT = 16  # each holds a model


class _Built(NamedTuple):
    """What is known of jobs that differ in the seed alone, when one of them has been built.

    Args:
        processes: the number that each wants.
        shape: of the task.
        refused: why no engine runs the cell in a population; ``None`` if one does, or if nobody asks.

    """

    processes: int
    shape: TaskShape
    refused: str | None


class Membership(NamedTuple):
    """Whether a job may train in a population.

    Args:
        kind: what its members share; empty for a job that trains alone.
        alone: why a job trains alone; empty for one that may join.

    """

    kind: str = ""
    alone: str = ""


class Rehearsal:
    """Checks the jobs of a command. Of jobs that differ in the seed alone, it builds one.

    Args:
        keep: whether the parts of the runs are kept for :meth:`take`, because this process runs the jobs.
        join: whether populations may be formed, so that :meth:`membership` is asked.

    """

    def __init__(self, keep: bool = False, join: bool = False) -> None:
        self._keep = keep
        self._join = join
        self._built: dict[str, _Built] = {}
        self._kept: dict[str, RunParts] = {}
        self._trainers: set[str] = set()

    def check(self, job: Job) -> int:
        """Build the run of a job, unless one like it has been built; return the number of processes that it wants.

        Raises:
            RequestError: a part cannot be built, or the folder cannot be written to.

        """
        setting = apart_from_seed(job.settings)
        if setting not in self._built:
            parts = job.build()
            refused = refusal(parts.model.cells[0], job.values) if self._join else None
            self._built[setting] = _Built(parts.trainer.num_devices, TaskShape.of(parts.plan.task), refused)
            self._trainers.add(json.dumps(job.settings["trainer"], sort_keys=True, default=str))
            if self._keep and parts.trainer.num_devices == 1 and len(self._kept) < _MOST_KEPT:
                self._kept[str(job.folder.path)] = parts
        return self._built[setting].processes

    def membership(self, job: Job) -> Membership:
        """Return whether a job that has been checked may train in a population."""
        if not self._join:
            return Membership()
        built, settings = self._built[apart_from_seed(job.settings)], job.values
        if (why := why_alone(settings, built.refused)) is not None:
            return Membership(alone=why)
        return Membership(kind=kind(settings, built.shape))

    def take(self, job: Job) -> RunParts | None:
        """Return the parts of a job's run, once; ``None`` if they are not kept.

        A Trainer sets switches of the whole process, as for ``deterministic``. So with jobs whose Trainers differ, the
        Trainer of a job is built again when its turn comes.
        """
        parts = self._kept.pop(str(job.folder.path), None)
        if parts is not None and len(self._trainers) > 1:
            parts.forget_trainer()
        return parts
