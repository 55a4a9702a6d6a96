"""One job: where it runs, whether it has run already, and running it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from longlag.cli.assemble import assemble, rehearse
from longlag.cli.configs import folder_name, frozen, title
from longlag.cli.ranks import train_on_ranks
from longlag.cli.requests import RequestError, keys_of, near
from longlag.runs import RunFolder, Status
from longlag.training.run import train_run

#: What may change when a run is resumed: how long and where it runs, not what it is.
_RESUMABLE = ("trainer", "stop_when_solved", "logger")


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

    @classmethod
    def composed(cls, config: DictConfig, hydra: HydraConf) -> "Job":
        """Read the job out of a composed configuration and Hydra's own.

        Raises:
            RequestError: something in it is wrong.

        """
        overrides = list(hydra.overrides.task)
        if config.resume is not None:
            return cls._resumed(RunFolder(Path(config.resume)), overrides)
        settings = frozen(config, hydra.runtime.choices, overrides)
        path = Path(config.output_dir) / config.study / folder_name(settings)
        return cls(settings, RunFolder(path), fresh=config.fresh, resumed=False)

    @classmethod
    def _resumed(cls, folder: RunFolder, overrides: list[str]) -> "Job":
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
            if key.split(".")[0] not in _RESUMABLE or ("." not in key and key != "stop_when_solved"):
                raise RequestError(f"resume: {key} cannot change; {', '.join(f'{k}' for k in _RESUMABLE)} can")
            if key not in known and not override.startswith("+"):
                candidates = near(key, known)
                raise RequestError(f"no key {key!r}; did you mean {' or '.join(candidates)}?")
            OmegaConf.update(stored, key, OmegaConf.from_dotlist([f"x={value}"]).x)
        settings: dict[str, Any] = OmegaConf.to_container(stored, resolve=True)  # type: ignore[assignment]
        return cls(settings, folder, fresh=False, resumed=True)

    def rehearse(self) -> int:
        """Make every part without running it; return the number of processes that it wants.

        Raises:
            RequestError: something cannot be made, or the folder cannot be written to.

        """
        processes = rehearse(assemble(self.settings, self.folder, Console(quiet=True)))
        _try_to_write(self.folder.path)
        return processes

    def run(self, console: Console, place: str = "") -> Status:
        """Run it, unless it has run already, and say how it ended in a line.

        Args:
            console: where to draw and say it.
            place: where in the grid it is, for the line.

        Raises:
            RequestError: another process is at it, or something in it is wrong.
            KeyboardInterrupt: it was interrupted; its status says so.

        """
        processes = self.rehearse()
        status = self.folder.read_status()
        name = f"{place}{title(self.settings)}"
        if status is not None and status.alive:
            raise RequestError(f"{self.folder.path} is being run by process {status.pid} on {status.host}")
        if status is not None and self.fresh:
            aside = self.folder.set_aside()
            console.print(f"{name}: the run before is now {aside}", highlight=False, markup=False, soft_wrap=True)
        elif status is not None and status.finished and not self.resumed:
            console.print(f"{name}: {self._already(status)}", highlight=False, markup=False, soft_wrap=True)
            return status
        if processes > 1:
            self.folder.path.mkdir(parents=True, exist_ok=True)
            self.folder.write_config(self.settings)
            self.folder.write_status(Status("running"))
            ended = train_on_ranks(self.folder, processes)
        else:
            ended = train_run(replace(assemble(self.settings, self.folder, console), place=place))
        console.print(f"{name}: {self._told(ended)}", highlight=False, markup=False, soft_wrap=True)
        if ended.state == "interrupted":
            raise KeyboardInterrupt
        return ended

    def _already(self, status: Status) -> str:
        changed = [
            group
            for group, digest in assemble(self.settings, self.folder, Console(quiet=True)).sources.items()
            if digest != status.sources.get(group)
        ]
        if changed:
            return f"ran already, but the source of its {' and '.join(changed)} has changed; fresh=true runs it again"
        return f"ran already: {status.state}; fresh=true runs it again"

    def _told(self, status: Status) -> str:
        summary = self.folder.read_summary()
        if status.state == "solved":
            how = f"solved at step {summary['solved_step']} ({summary['solved_sequences']:,} sequences)"
        elif status.state == "done":
            how = f"not solved in {summary['steps']} steps"
        else:
            how = f"{status.state}: {status.reason}"
        accuracy, seconds = summary.get("test/acc"), summary.get("seconds")
        figures = [] if accuracy is None else [f"test accuracy {accuracy:.3f}"]
        figures += [] if seconds is None or not status.finished else [f"{seconds:.1f} s"]
        trouble = f"see {self.folder.log}" if status.state == "failed" else ""
        return ", ".join([how, *figures, *filter(None, [trouble])])


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
