"""One job: where it runs, whether it has run already, and running it."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from longlag.cli.assemble import assemble, rehearse
from longlag.cli.nodes import this_node
from longlag.cli.ranks import told_to, train_on_ranks
from longlag.cli.requests import RequestError, keys_of, near
from longlag.cli.settings import check_switch, folder_name, frozen
from longlag.runs import RunFolder, Status
from longlag.runs.claim import Claim, HeldError
from longlag.training.run import RunPlan, train_run
from longlag.training.stopping import stop_requests


@dataclass(frozen=True)
class Job:
    """What one composed configuration asks for.

    Args:
        settings: the run's settings, plain.
        folder: where it runs.
        fresh: whether a run that is already there is set aside.
        resumed: whether the folder was named by the user, so that a finished run goes on too.

    """

    settings: dict[str, Any]
    folder: RunFolder
    fresh: bool
    resumed: bool

    @property
    def nodes(self) -> int:
        """How many machines it runs on at once."""
        nodes: int = self.settings["trainer"].get("num_nodes", 1)
        return nodes

    @classmethod
    def composed(cls, config: DictConfig, hydra: HydraConf, overrides: Sequence[str]) -> "Job":
        """Read the job out of a composed configuration, Hydra's own, and what was typed for it.

        Raises:
            RequestError: something in it is wrong.

        """
        if hydra.job.chdir:
            raise RequestError("hydra.job.chdir must be false: the folder of a run follows from its settings")
        if config.get("resume") is not None:
            job = cls._resumed(RunFolder(Path(str(config.resume))), list(overrides))
        else:
            settings = frozen(config, hydra.runtime.choices, overrides)
            path = Path(str(config.output_dir)) / settings["study"] / folder_name(settings)
            job = cls(settings, RunFolder(path), fresh=config.fresh, resumed=False)
        if job.nodes != 1 and (hydra.mode == RunMode.RUN or hydra.runtime.choices["hydra/launcher"] != "slurm"):
            raise RequestError(f"trainer.num_nodes must be 1 without -m and hydra/launcher=slurm, got {job.nodes!r}")
        return job

    @classmethod
    def _resumed(cls, folder: RunFolder, overrides: list[str]) -> "Job":
        """Return the job of a run that is there, with what may change: how long and where it runs, not what it is."""
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
        return cls(settings, folder, fresh=False, resumed=True)

    def rehearse(self, console: Console | None = None) -> tuple[RunPlan, int]:
        """Make every part without running it; return the plan, and the number of processes that it wants.

        Raises:
            RequestError: something cannot be made, or the folder cannot be written to.

        """
        plan = assemble(self.settings, self.folder, console or Console(quiet=True))
        processes = rehearse(plan)
        _try_to_write(self.folder.path)
        return plan, processes

    def run(self, console: Console, place: str = "", tell: int | None = None) -> Status:
        """Run it, unless it has run already, and say how it ended in a line.

        Args:
            console: where to draw and say it.
            place: where in the grid it is, for the line.
            tell: the descriptor to which it says where it is, instead of drawing a bar; see :mod:`longlag.cli.beacon`.

        Raises:
            RequestError: another process is at it, or something in it is wrong.
            KeyboardInterrupt: it was interrupted; its status says so.

        """
        plan, processes = self.rehearse(console)
        node = this_node(self.nodes)
        plan = replace(plan, place=place)
        name = f"{place}{plan.title}"
        with contextlib.ExitStack() as held, stop_requests() as request:
            held.enter_context(self._claimed())
            status = self.folder.read_status()
            if status is not None:
                if already := self.ran_already(plan, status):
                    _say(console, f"{name}: {already}")
                    return status
                if self.fresh:
                    _say(console, f"{name}: the run before is now {self.folder.set_aside()}")
                    held.enter_context(self._claimed())
                elif changed := _changed(plan, status):
                    raise RequestError(f"{self.folder.path} was cut{changed}; fresh=true starts over")
            if processes > 1 or node.count > 1:
                self.folder.write_config(self.settings)
                self.folder.write_status(Status("running", sources=plan.sources))
                ended = train_on_ranks(self.folder, processes, request, tell, node)
            else:
                ended = train_run(plan if tell is None else told_to(plan, tell), request)
        _say(console, f"{name}: {_told(ended, self.folder)}")
        if ended.state == "interrupted" or request.by is not None:
            raise KeyboardInterrupt
        return ended

    def ran_already(self, plan: RunPlan, status: Status) -> str:
        """Return what to say if it has ended and is not to be run again; nothing if it is to be run."""
        if self.fresh or self.resumed or not status.finished:
            return ""
        return f"ran already: {status.state}{_changed(plan, status)}; fresh=true runs it again"

    def _claimed(self) -> Claim:
        """Claim the folder, so that nobody else runs what is in it.

        Raises:
            RequestError: another process is at it.

        """
        self.folder.path.mkdir(parents=True, exist_ok=True)
        try:
            return Claim(self.folder.path)
        except HeldError as error:
            raise RequestError(f"{self.folder.path} is being run by {error}") from error


def _say(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _changed(plan: RunPlan, status: Status) -> str:
    """Return what to say if the file that defines the cell or the task is not what it was."""
    changed = [group for group, digest in plan.sources.items() if digest != status.sources.get(group)]
    return f", but the source of its {' and '.join(changed)} has changed" if changed else ""


def _told(status: Status, folder: RunFolder) -> str:
    """Return how a run ended, in a line."""
    summary = folder.read_summary()
    if status.state == "solved":
        how = f"solved at step {summary['solved_step']} ({summary['solved_sequences']:,} sequences)"
    elif status.state == "done":
        how = f"not solved in {summary['steps']} steps"
    else:
        how = f"{status.state}: {' '.join(status.reason.split())}"
    accuracy, seconds = summary.get("test/acc"), summary.get("seconds")
    figures = [] if accuracy is None else [f"test accuracy {accuracy:.3f}"]
    figures += [] if seconds is None or not status.finished else [f"{seconds:.1f} s"]
    figures += [f"see {folder.log}"] if status.state == "failed" else []
    return ", ".join([how, *figures])


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
