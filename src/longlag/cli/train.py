"""``longlag train``: Hydra composes the settings, a job or a grid of jobs runs."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from rich.console import Console

from longlag.cli.configs import conf_dir, known_keys
from longlag.cli.flags import flags_first
from longlag.cli.requests import RequestError, explained
from longlag.cli.session import begin, session

if TYPE_CHECKING:
    from longlag.runs import RunRecord

# torch is imported when a job runs, not to print a help text: hence the imports inside of functions.


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag train`` and return its exit code.

    Raises:
        RequestError: the request was wrong.

    """
    current = begin(dry="--dry-run" in arguments)
    typed = [argument for argument in arguments if argument != "--dry-run"]
    try:
        with _as_hydra_sees_it(flags_first(typed)), _sigterm_as_interrupt(), current.closing:
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(_job)()
        current.found = None if current.study is None else _found(current.study)
    except RequestError:
        raise
    except SystemExit as error:  # Hydra's argument parser, the look ahead at a grid, or the first failure
        if current.refused is None and (current.dry or not current.folders):
            return error.code if isinstance(error.code, int) else 2
    except KeyboardInterrupt:
        _report(typed)
        raise
    except Exception as error:
        if current.study is None or str(error) != "No trials are completed yet.":  # Optuna's: all runs have failed
            raise explained(error, known_keys(typed)) or error from error
    if current.refused is not None:
        raise current.refused
    return _report(typed)


def _job(config: DictConfig) -> float | None:
    """Run one job; what goes wrong is in its folder or in the session, so that a grid goes on.

    Returns:
        What a search makes small; ``None`` if the run has not ended.

    Raises:
        SystemExit: it failed, and ``fail_fast`` is set.

    """
    from longlag.cli.jobs import Job
    from longlag.cli.objective import objective

    current, console = session(), Console(stderr=True)
    place = f"[{len(current.started) + 1}/{current.jobs}] " if current.jobs > 1 else ""
    failed, value = False, None
    try:
        own = HydraConfig.get()
        job = Job.composed(config, own, own.overrides.task)
        if current.dry:
            from longlag.cli.forecast import print_forecast

            job.rehearse()
            print_forecast([job])
            return None
        current.folders[job.folder.path] = None
        repeated = job.folder.path in current.started
        current.started.append(job.folder.path)
        if repeated:
            console.print(f"{place}the same run as one before in this grid: {job.folder.path.name}", markup=False)
        else:
            failed = job.run(console, place).state == "failed"
        value = objective(job.folder)
    except RequestError as error:
        if current.here and current.jobs == 1:
            current.refused = error
        else:
            failed = True
            console.print(f"{place}longlag: {error}", highlight=False, markup=False, soft_wrap=True)
    if failed and config.fail_fast:
        raise SystemExit(1)
    return value


def _report(typed: Sequence[str]) -> int:
    """Print the table of the runs and what is missing of them, and return the exit code that they deserve."""
    folders = session().folders
    if not folders:
        return 0
    from longlag.report.table import print_runs
    from longlag.runs import read_run

    records = {path: read_run(path) for path in folders}
    found = [record for record in records.values() if record is not None]
    output = Console() if sys.stdout.isatty() else Console(width=200)
    if found:
        print_runs(found, output)
        place = os.path.commonpath([str(path) for path in folders])
        output.print(f"\nruns: {place}", highlight=False, markup=False, soft_wrap=True)
    if session().found is not None:
        output.print(f"best: {session().found}", highlight=False, markup=False, soft_wrap=True)
    missing = [path for path, record in records.items() if record is None or not record.status.finished]
    if len(folders) > 1 and missing:
        output.print(f"\nnot ended: {len(missing)} of {len(folders)} runs", highlight=False)
        for path in missing:
            output.print(f"  {path.name}: {_why(records[path])}", highlight=False, markup=False, soft_wrap=True)
        command = shlex.join(["longlag", "train", *typed])
        output.print(f"this goes on with them: {command}", highlight=False, markup=False, soft_wrap=True)
    return 1 if missing else 0


def _found(study: Path) -> str | None:
    """Return in a line what a search has found, as its sweeper wrote it down; ``None`` if it has not."""
    import yaml

    try:
        found = yaml.safe_load((study / "optimization_results.yaml").read_text())
    except FileNotFoundError:
        return None
    if "best_params" not in found:
        return str(study / "optimization_results.yaml")
    settings = " ".join(f"{key}={value}" for key, value in found["best_params"].items())
    return f"{settings} with {found['best_value']:,.0f} training sequences"


def _why(record: "RunRecord | None") -> str:
    """Return in a line why a run has not ended."""
    if record is None:
        return "not begun"
    reason = " ".join(record.status.reason.split())
    see = f"; see {record.folder.log}" if record.status.state == "failed" else ""
    return f"{record.status.state}{': ' if reason else ''}{reason}{see}"


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """While the context lasts, SIGTERM between two jobs ends the command as SIGINT does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
