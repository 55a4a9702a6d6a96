"""One job: its settings, its folder, and running it."""

import contextlib
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
from longlag.jobs.nodes import this_node
from longlag.jobs.ranks import telling, train_on_ranks
from longlag.runs import RunFolder, Segment, Status, in_words
from longlag.runs.claim import Claim, HeldError
from longlag.settings.messages import keys_of
from longlag.settings.names import folder_name
from longlag.settings.plan import build_parts, plan_of
from longlag.settings.resolve import resolved_settings
from longlag.settings.schema import check_switch
from longlag.terminal import print_line
from longlag.training.callbacks.stopping import stop_requests
from longlag.training.run import train_parts
from longlag.training.run_parts import RunParts
from longlag.training.run_plan import RunPlan


@dataclass(frozen=True)
class Job:
    """The run that one composed configuration asks for.

    Args:
        settings: of the run, plain.
        folder: of the run.
        fresh: whether a run that is already in the folder is set aside.

    """

    settings: dict[str, Any]
    folder: RunFolder
    fresh: bool = False

    @property
    def nodes(self) -> int:
        """The number of machines that it runs on at once."""
        nodes: int = self.settings["trainer"].get("num_nodes", 1)
        return nodes

    @property
    def max_steps(self) -> int:
        """The steps that its run may take."""
        steps: int = self.settings["trainer"]["max_steps"]
        return steps

    @property
    def budget(self) -> tuple[int, bool]:
        """How far its run goes: the most steps, and whether a run ends when it is solved."""
        return self.max_steps, self.settings["stop_when_solved"]

    @classmethod
    def composed(cls, config: DictConfig, hydra: HydraConf, overrides: Sequence[str]) -> "Job":
        """Read a job from its configuration, Hydra's node, and the overrides.

        Raises:
            RequestError: a setting is wrong.

        """
        if hydra.job.chdir:
            raise RequestError("hydra.job.chdir must be false: the folder of a run follows from its settings")
        if config.get("resume") is not None:
            job = cls._resumed(RunFolder(Path(str(config.resume))), list(overrides))
        else:
            settings = resolved_settings(config, hydra.runtime.choices, overrides)
            path = Path(str(config.output_dir)) / settings["study"] / folder_name(settings)
            job = cls(settings, RunFolder(path), fresh=config.fresh)
        if job.nodes != 1 and (hydra.mode == RunMode.RUN or hydra.runtime.choices["hydra/launcher"] != "slurm"):
            raise RequestError(f"trainer.num_nodes must be 1 without -m and hydra/launcher=slurm, got {job.nodes!r}")
        return job

    @classmethod
    def _resumed(cls, folder: RunFolder, overrides: list[str]) -> "Job":
        """Return the job of a run that exists; the trainer, the loggers and ``stop_when_solved`` may change."""
        try:
            stored = OmegaConf.create(folder.read_config())
        except ValueError as error:
            raise RequestError(f"resume: {error}") from error
        if "run" not in stored:
            raise RequestError(f"resume: {folder.path} holds no run: its config.yaml is not one of longlag's")
        known = keys_of(stored)
        for override in overrides:
            key, _, value = override.lstrip("+").partition("=")
            if key == "resume":
                continue
            if key != "stop_when_solved" and not key.startswith(("trainer.", "logger.")):
                raise RequestError(f"resume: {key} cannot change; trainer.…, logger.… and stop_when_solved can")
            if key not in known and not override.startswith("+"):
                candidates = near(key, known)
                hint = f"; did you mean {' or '.join(candidates)}?" if candidates else ""
                raise RequestError(f"no key {key!r}{hint}")
            OmegaConf.update(stored, key, OmegaConf.from_dotlist([f"x={value}"]).x)
        settings: dict[str, Any] = OmegaConf.to_container(stored, resolve=True)  # type: ignore[assignment]
        check_switch("stop_when_solved", settings["stop_when_solved"])
        return cls(settings, folder)

    def plan(self, console: Console | None = None, place: str = "") -> RunPlan:
        """Return the plan of the run.

        Args:
            console: where its progress is drawn, if anywhere.
            place: the job's place in the grid, for the progress bar.

        Raises:
            RequestError: a setting is wrong.

        """
        return replace(plan_of(self.settings, self.folder, console or Console(quiet=True)), place=place)

    def build(self) -> RunParts:
        """Build every part of the run without running it.

        Raises:
            RequestError: a part cannot be built, or the folder cannot be written to.

        """
        parts = build_parts(self.plan())
        _try_to_write(self.folder.path)
        return parts

    def run(
        self,
        console: Console,
        place: str = "",
        tell: int | None = None,
        processes: int | None = None,
        parts: RunParts | None = None,
    ) -> Status:
        """Run the job, unless its run has nothing left to do, and print a line about its end.

        Args:
            console: where to draw and print.
            place: the job's place in the grid, for the line.
            tell: the descriptor that gets progress messages instead of a bar; see :mod:`longlag.jobs.messages`.
            processes: the number of processes that the job wants, if another process has built the run to know it.
            parts: of the run, if they are built already.

        Raises:
            RequestError: another process runs the same run, or a setting is wrong.
            KeyboardInterrupt: the run was interrupted; its status says so.

        """
        if parts is None:
            plan = self.plan(console, place)
            plan = plan if tell is None else telling(plan, tell)
        else:
            parts.show_progress(console, place)
            plan = parts.plan
        name = f"{place}{plan.title}"
        if (ended := self._ended(plan, console, name)) is not None:
            return ended
        if parts is None and (processes is None or processes == 1):
            parts = build_parts(plan)  # before the folder is claimed: a wrong request leaves nothing behind
        if processes is None:
            assert parts is not None
            processes = parts.trainer.num_devices
        node = this_node(self.nodes)
        _try_to_write(self.folder.path)
        with contextlib.ExitStack() as held, stop_requests() as request:
            held.enter_context(self._claimed())
            if (ended := self._ended(plan, console, name)) is not None:  # by another process, a moment ago
                return ended
            self._go_on(plan, console, name, held)
            if processes > 1 or node.count > 1:
                self.folder.write_config(self.settings)
                self.folder.write_status(Status("running", sources=plan.sources))
                ended = train_on_ranks(self.folder, processes, request, tell, node)
            else:
                assert parts is not None
                ended = train_parts(parts, request)
        print_line(console, f"{name}: {_how_ended(ended, self.folder)}")
        if ended.state == "interrupted" or request.by is not None:
            raise KeyboardInterrupt
        return ended

    def _ended(self, plan: RunPlan, console: Console, name: str) -> Status | None:
        """Return the status of a run with nothing left to do, and print a line about it; else ``None``."""
        status = self.folder.read_status()
        if status is None or self.next_action().kind != "skip":
            return None
        print_line(console, f"{name}: {self.ran_already(plan, status)}")
        return status

    def _go_on(self, plan: RunPlan, console: Console, name: str, held: contextlib.ExitStack) -> None:
        """Set the run in the folder aside, or print from where it goes on.

        Raises:
            RequestError: the source of its cell or task has changed.

        """
        status, action = self.folder.read_status(), self.next_action()
        if status is None:
            return
        if self.fresh:
            print_line(console, f"{name}: the run before is now {self.folder.set_aside()}")
            held.enter_context(self._claimed())
        elif changed := _changed(plan, status):
            raise RequestError(f"cannot go on with {self.folder.path}{changed}; fresh=true starts over")
        elif action.from_step is not None:
            print_line(console, f"{name}: goes on from {action.from_step:,} to {self.max_steps:,} steps")

    def next_action(self) -> NextAction:
        """Return what this job does with the run in its folder."""
        return next_action(self.settings, self.folder, self.fresh)

    def ran_already(self, plan: RunPlan, status: Status) -> str:
        """Return the line about a run that has nothing left to do."""
        return f"ran already: {in_words(status.state)}{_changed(plan, status)}; fresh=true runs it again"

    def _claimed(self) -> Claim:
        """Claim the folder, so that no other process runs the same run.

        Raises:
            RequestError: another process holds the claim.

        """
        self.folder.path.mkdir(parents=True, exist_ok=True)
        try:
            return Claim(self.folder.path)
        except HeldError as error:
            raise RequestError(f"{self.folder.path} is being run by {error}") from error


def _changed(plan: RunPlan, status: Status) -> str:
    """Return a clause about the source files of cell and task that have changed; empty if none has."""
    changed = [group for group, digest in plan.sources.items() if digest != status.sources.get(group)]
    return f", but the source of its {' and '.join(changed)} has changed" if changed else ""


def _how_ended(ended: Status, folder: RunFolder) -> str:
    """Return a line about the end of a run."""
    summary = folder.read_summary()
    if ended.state == "solved":
        how = f"solved at step {summary['solved_step']} ({summary['solved_sequences']:,} sequences)"
    elif ended.state == "done":
        how = f"not solved in {summary['steps']} steps"
    else:
        how = f"{ended.state}: {' '.join(ended.reason.split())}"
    accuracy, seconds = summary.get("test/acc"), summary.get("seconds")
    figures = [] if accuracy is None else [f"test accuracy {accuracy:.3f}"]
    figures += [] if seconds is None or not ended.finished else [f"{seconds:.1f} s"]
    figures += [f"see {folder.log}"] if ended.state == "failed" else []
    return ", ".join([how, *figures]) + _where_it_changed(ended.segments)


def _where_it_changed(segments: Sequence[Segment]) -> str:
    """Return a clause about the last change of engine, processor or PyTorch within the run; empty if there is none."""
    if len(segments) < 2:
        return ""
    before, after = segments[-2:]
    return f"; up to step {after.from_step:,} by {before}, then by {after}: the last digits depend on that"


def _try_to_write(path: Path) -> None:
    """Make sure that the folder can be made and written to.

    Raises:
        RequestError: it cannot.

    """
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RequestError(f"cannot write to {path}: {error.strerror}; output_dir=FOLDER names another") from error
    finally:
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
