"""One job: its settings, its folder, and what it is about to do there."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from longlag.errors import RequestError, near
from longlag.jobs.next_action import NextAction, next_action
from longlag.jobs.place import changed, try_to_write
from longlag.runs import DamagedRunError, RunFolder, in_words
from longlag.settings.environment import resolved, values_of, with_names
from longlag.settings.memory import ANY_MACHINE, Machine
from longlag.settings.messages import keys_of
from longlag.settings.names import folder_name
from longlag.settings.plan import build_parts, plan_of
from longlag.settings.resolve import resolved_settings
from longlag.settings.schema import check_switch
from longlag.settings.stored import checked_run, trusted_values
from longlag.training.run_parts import RunParts
from longlag.training.run_plan import RunPlan

_CLUSTERS = ("slurm", "ray")  # the launchers that run jobs on machines of which this one knows nothing


@dataclass(frozen=True)
class Job:
    """The run that one composed configuration asks for.

    Args:
        settings: of the run, plain; environment variables by their names.
        folder: of the run.
        fresh: whether a run that is already in the folder is set aside.
        machine: where it is going to run; ``None`` for this machine.

    """

    settings: dict[str, Any]
    folder: RunFolder
    fresh: bool = False
    machine: Machine | None = None

    @property
    def values(self) -> dict[str, Any]:
        """The settings with the values of environment variables."""
        return values_of(self.settings)

    @property
    def nodes(self) -> int:
        """The number of machines that it runs on at once."""
        nodes: int = self.values["trainer"].get("num_nodes", 1)
        return nodes

    @property
    def max_steps(self) -> int:
        """The steps that its run may take."""
        steps: int = self.values["trainer"]["max_steps"]
        return steps

    @property
    def budget(self) -> tuple[int, str, bool]:
        """How far its run goes: the most steps, the most time, and whether a run ends when it is solved."""
        values = self.values
        return self.max_steps, str(values["trainer"].get("max_time")), values["stop_when_solved"]

    @classmethod
    def composed(cls, config: DictConfig, hydra: HydraConf, overrides: Sequence[str]) -> "Job":
        """Read a job from its configuration, Hydra's node, and the overrides.

        Raises:
            RequestError: a setting is wrong.

        """
        if hydra.job.chdir:
            raise RequestError("hydra.job.chdir must be false: the folder of a run follows from its settings")
        if hydra.mode == RunMode.RUN and hydra.sweeper.get("params"):
            raise RequestError(f"experiment={hydra.runtime.choices['experiment']} is a grid; longlag train -m runs it")
        if config.get("resume") is not None:
            trust = check_switch("trust", config.trust)
            job = cls._resumed(RunFolder(Path(str(config.resume))), list(overrides), trust)
        else:
            settings = resolved_settings(config, hydra.runtime.choices, overrides)
            path = Path(str(config.output_dir)) / settings["study"] / folder_name(values_of(settings))
            job = cls(settings, RunFolder(path), fresh=config.fresh)
        if hydra.mode != RunMode.RUN and hydra.runtime.choices["hydra/launcher"] in _CLUSTERS:
            job = replace(job, machine=ANY_MACHINE)
        if job.nodes != 1 and (hydra.mode == RunMode.RUN or hydra.runtime.choices["hydra/launcher"] != "slurm"):
            raise RequestError(f"trainer.num_nodes must be 1 without -m and hydra/launcher=slurm, got {job.nodes!r}")
        return job

    @classmethod
    def _resumed(cls, folder: RunFolder, overrides: list[str], trust: bool) -> "Job":
        """Return the job of a run that exists; the trainer, the loggers and ``stop_when_solved`` may change.

        Raises:
            RequestError: the folder holds no run that can be read, or names a class that needs the reader's word.

        """
        try:
            config = folder.read_config()
        except DamagedRunError as error:
            raise RequestError(f"resume: {error}") from error
        trusted_values(config, folder.path, None if trust else "say trust=true")
        stored = OmegaConf.create(config)
        if "trainer" in stored and "max_time" not in stored.trainer:  # of a version without it
            stored.trainer.max_time = None
        known = keys_of(stored)
        for override in overrides:
            key, _, value = override.lstrip("+").partition("=")
            if key in ("resume", "trust"):
                continue
            if key != "stop_when_solved" and not key.startswith(("trainer.", "logger.")):
                raise RequestError(f"resume: {key} cannot change; trainer.…, logger.… and stop_when_solved can")
            if key not in known and not override.startswith("+"):
                candidates = near(key, known)
                hint = f"; did you mean {' or '.join(candidates)}?" if candidates else ""
                raise RequestError(f"no key {key!r}{hint}")
            typed: Any = OmegaConf.to_container(OmegaConf.from_dotlist([f"x={value}"]), resolve=False)
            OmegaConf.update(stored, key, typed["x"])
        values, names = resolved(stored)
        return cls(with_names(checked_run(values), names), folder)

    def plan(self, console: Console | None = None, place: str = "", machine: Machine | None = None) -> RunPlan:
        """Return the plan of the run.

        Args:
            console: where its progress is drawn, if anywhere.
            place: the job's place in the grid, for the progress bar.
            machine: where it is going to run; this machine by default.

        Raises:
            RequestError: a setting is wrong, or the run needs more memory than there is.

        """
        return replace(plan_of(self.settings, self.folder, console or Console(quiet=True), machine), place=place)

    def build(self) -> RunParts:
        """Build every part of the run without running it.

        Raises:
            RequestError: a part cannot be built, or the folder cannot be written to.

        """
        parts = build_parts(self.plan(machine=self.machine))
        try_to_write(self.folder.path)
        return parts

    def next_action(self) -> NextAction:
        """Return what this job does with the run in its folder."""
        return next_action(self.values, self.folder, self.fresh)

    def ran_already(self, plan: RunPlan) -> str:
        """Return the line about a run that has nothing left to do."""
        status = self.folder.read_status()
        assert status is not None
        return f"ran already: {in_words(status.state)}{changed(plan, status)}; fresh=true runs it again"
