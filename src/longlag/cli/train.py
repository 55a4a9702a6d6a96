"""``longlag train``: Hydra composes the settings, a job or a grid of jobs runs."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console

from longlag.cli.configs import conf_dir, grid, known_keys, without_hydra
from longlag.cli.flags import flags_first
from longlag.cli.requests import RequestError, explained

# torch is imported when a job runs, not to print a help text: hence the imports inside of functions.


@dataclass
class _Session:
    """What one command has met on its way through Hydra."""

    folders: dict[Path, None] = field(default_factory=dict)
    jobs: int = 1
    started: list[Path] = field(default_factory=list)
    refused: RequestError | None = None


_session = _Session()


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag train`` and return its exit code.

    Raises:
        RequestError: the request was wrong.

    """
    global _session
    _session = _Session()
    try:
        with _as_hydra_sees_it(flags_first(arguments)):
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(_job)()
    except RequestError:
        raise
    except SystemExit as error:  # Hydra's argument parser, or the look ahead at a grid
        if _session.refused is None:
            return error.code if isinstance(error.code, int) else 2
    except KeyboardInterrupt:
        _report()
        raise
    except Exception as error:
        raise explained(error, known_keys()) or error from error
    if _session.refused is not None:
        raise _session.refused
    return _report()


class LookAhead(Callback):
    """Make every job of a grid without running it, before the first one runs: a wrong request costs no run."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Rehearse the jobs of a grid over choices; what a search will try cannot be known ahead.

        Raises:
            SystemExit: one of them is wrong. Hydra would turn any other exception into a warning.

        """
        if not config.hydra.sweeper._target_.endswith(".BasicSweeper"):
            return
        try:
            self._rehearse(config)
        except Exception as error:
            wrong = error if isinstance(error, RequestError) else explained(error, known_keys())
            _session.refused = wrong or RequestError(f"{type(error).__name__}: {error}")
            raise SystemExit(2) from error

    def _rehearse(self, config: DictConfig) -> None:
        from longlag.cli.jobs import Job

        typed = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
        jobs = grid([*typed, *config.hydra.overrides.task])
        _session.jobs = len(jobs)
        with Console(stderr=True).status("looking ahead") as status:  # which is seen in a terminal only
            for number, overrides in enumerate(jobs, start=1):
                status.update(f"looking ahead: job {number} of {len(jobs)}")
                composed = hydra.compose(
                    config.hydra.job.config_name,
                    overrides=[*config.hydra.overrides.hydra, *overrides],
                    return_hydra_config=True,
                )
                job = Job.composed(without_hydra(composed), composed.hydra)
                if job.resumed:
                    raise RequestError("resume goes on with one run; a grid that was cut goes on when typed again")
                job.rehearse()
                _session.folders[job.folder.path] = None


def _job(config: DictConfig) -> None:
    """Run one job; what goes wrong is in its folder or in the session, so that a grid goes on."""
    from longlag.cli.jobs import Job

    console = Console(stderr=True)
    place = f"[{len(_session.started) + 1}/{_session.jobs}] " if _session.jobs > 1 else ""
    try:
        job = Job.composed(config, HydraConfig.get())
        _session.folders[job.folder.path] = None
        repeated = job.folder.path in _session.started
        _session.started.append(job.folder.path)
        if repeated:
            console.print(f"{place}the same run as one before in this grid: {job.folder.path.name}", markup=False)
        else:
            job.run(console, place)
    except RequestError as error:
        if _session.jobs == 1:
            _session.refused = error
        else:
            console.print(f"{place}longlag: {error}", highlight=False, markup=False, soft_wrap=True)


def _report() -> int:
    """Print the table of the runs, and return the exit code that they deserve."""
    if not _session.folders:
        return 0
    from longlag.report.table import print_runs
    from longlag.runs import read_run

    records = [read_run(path) for path in _session.folders]
    found = [record for record in records if record is not None]
    output = Console() if sys.stdout.isatty() else Console(width=200)
    if found:
        print_runs(found, output)
        place = os.path.commonpath([str(path) for path in _session.folders])
        output.print(f"\nruns: {place}", highlight=False, markup=False, soft_wrap=True)
    return 0 if len(found) == len(records) and all(record.status.finished for record in found) else 1


@contextmanager
def _as_hydra_sees_it(arguments: Sequence[str]) -> Iterator[None]:
    """Give Hydra our arguments, and have it raise its exceptions instead of printing them."""
    before, full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [before[0], *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    finally:
        sys.argv = before
        if full is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full
