"""The runs of a search: composed, read back where they have ended, and launched as by ``longlag train -m``."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra

from longlag.cli.horizon.request import HorizonRequest
from longlag.errors import RequestError
from longlag.jobs.job import Job
from longlag.settings.compose import conf_dir, conf_dirs, grid, known_keys
from longlag.settings.job_composer import JobComposer
from longlag.settings.messages import explained
from longlag.settings.words import check_choices


class UnfinishedError(Exception):
    """Some runs of a search have not ended: it goes on when the command is typed again."""


class RunsToDoError(Exception):
    """A dry run has come to runs that are not there."""


class Runs:
    """The runs that a request may need.

    Args:
        request: the request.

    Raises:
        RequestError: a word is wrong.

    """

    def __init__(self, request: HorizonRequest) -> None:
        self.request = request
        self.launched = 0
        """The runs that this command has trained."""
        words, place = request.words, request.config_dir
        check_choices(words, conf_dirs(place), "")
        search = [] if place is None else [f"hydra.searchpath=[file://{Path(place).resolve()}]"]
        try:
            with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
                self.settings: list[list[str]] = grid(words)
                """The words of each search."""
                shared = [word for word in words if word.lstrip("+").startswith(("hydra", "experiment="))]
                command = hydra.compose("train", overrides=[*search, *shared], return_hydra_config=True)
                if command.hydra.sweeper.get("params"):
                    raise RequestError("an experiment that is a grid: longlag horizon takes its settings as words")
                self._composer = JobComposer(GlobalHydra.instance().config_loader(), command)
        except RequestError:
            raise
        except Exception as error:
            raise explained(error, known_keys(words)) or error from error

    def job(self, words: Sequence[str], T: int, seed: int) -> Job:
        """Return the job of one run.

        Raises:
            RequestError: a setting is wrong.

        """
        overrides = merged(words, [f"task.T={T}", f"seed={seed}"])
        try:
            config, hydra_node = self._composer.settings_and_hydra(overrides)
            job = Job.composed(config, hydra_node, overrides)
            config, hydra_node = self._composer.settings_and_hydra([*overrides, f"trainer.max_steps={self.steps(job)}"])
            return Job.composed(config, hydra_node, overrides)
        except RequestError:
            raise
        except Exception as error:
            raise explained(error, known_keys(self.request.words)) or error from error

    def steps(self, job: Job) -> int:
        """Return the optimizer steps that the budget allows.

        Raises:
            RequestError: it allows none.

        """
        values = job.values
        batch = sequences_a_step(values)
        if batch > self.request.budget:
            raise RequestError(f"budget={self.request.budget:,} is less than one step of {batch:,} sequences")
        return self.request.budget // batch

    def outcomes(
        self, words: Sequence[str], T: int, seeds: Sequence[int], grids: Mapping[str, Sequence[Any]] | None = None
    ) -> list[Job]:
        """Return the jobs of these seeds, all of whose runs have ended; those that have not are launched first.

        Args:
            words: of the search.
            T: the lag.
            seeds: the seeds.
            grids: key -> values, if the runs of each seed form a grid; the seeds change fastest.

        Raises:
            RequestError: a setting is wrong.
            UnfinishedError: a run has failed, or is being run elsewhere.
            RunsToDoError: this is a dry run, and a run has not ended.

        """
        axes = [[f"{key}={value!r}" for value in values] for key, values in (grids or {}).items()]
        jobs = [self.job(merged(words, list(axis)), T, seed) for axis in itertools.product(*axes) for seed in seeds]
        waiting = [job for job in jobs if job.next_action().kind != "skip"]
        if not waiting:
            return jobs
        if self.request.dry:
            raise RunsToDoError(f"next: T={T}, {len(waiting)} run{'s' * (len(waiting) != 1)}")
        from longlag.cli.train import launch

        typed = [f"{key}={','.join(map(repr, values))}" for key, values in (grids or {}).items()]
        to_run = dict.fromkeys(job.settings["seed"] for job in waiting)
        typed += [f"task.T={T}", f"seed={','.join(map(str, to_run))}", f"trainer.max_steps={waiting[0].max_steps}"]
        launch([*self.request.flags, *merged(words, typed)], self.request.command)
        left = [job for job in waiting if job.next_action().kind != "skip"]
        self.launched += len(waiting) - len(left)
        if left:
            raise UnfinishedError(
                f"not ended: {left[0].folder.path}" + (f" and {len(left) - 1} more" if left[1:] else "")
            )
        return jobs

    def solved(self, job: Job) -> bool:
        """Return whether a run has solved its task within the budget; it may have gone on beyond."""
        sequences = job.folder.read_summary().get("solved_sequences")
        return isinstance(sequences, int | float) and sequences <= self.request.budget

    def score(self, job: Job) -> float:
        """Return the training sequences that a run took to solve its task, or more than the budget where it did not.

        A run that is not solved counts as the budget, and up to as much again for the accuracy that its best validation
        lacks.
        """
        summary = job.folder.read_summary()
        if self.solved(job):
            return float(str(summary["solved_sequences"]))
        accuracy = summary.get("val/acc_max")
        return self.request.budget * (2.0 - (accuracy if isinstance(accuracy, int | float) else 0.0))


def sequences_a_step(values: Mapping[str, Any]) -> int:
    """Return the training sequences of one optimizer step, over all devices."""
    from longlag.task.splits import Splits

    splits = values["task"].get("splits") or {}
    batch = splits.get("batch_size", Splits().batch_size)
    return int(batch * values["trainer"].get("accumulate_grad_batches", 1))


def merged(words: Sequence[str], more: Sequence[str]) -> list[str]:
    """Return words and more of them; a later word takes the place of one with the same key."""
    return list({word.lstrip("+").partition("=")[0]: word for word in [*words, *more]}.values())
