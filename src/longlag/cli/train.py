"""``longlag train``: Hydra composes the settings, a job or a grid of jobs runs."""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import env_override
from omegaconf import DictConfig
from rich.console import Console

from longlag.cli.train_help import train_help
from longlag.errors import RequestError
from longlag.launch.session import Session, begin, session
from longlag.runs.provenance import COMMAND
from longlag.settings.compose import conf_dir, conf_dirs, known_keys
from longlag.settings.hydra_flags import divided
from longlag.settings.messages import explained
from longlag.settings.words import check_choices, check_once
from longlag.terminal import leave_closed_terminal, print_line, stdout_console

if TYPE_CHECKING:
    from longlag.runs import RunRecord

# torch is imported when a job runs, not to print a help text: hence the imports inside of functions.


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag train`` and return its exit code.

    Raises:
        RequestError: the request was wrong.

    """
    typed = [argument for argument in arguments if argument != "--dry-run"]
    try:
        code = launch(typed, shlex.join(["longlag", "train", *arguments]), dry="--dry-run" in arguments)
    except KeyboardInterrupt:
        _report(typed)
        raise
    return _report(typed) if code is None else code


def launch(typed: Sequence[str], command: str, dry: bool = False) -> int | None:
    """Have Hydra compose the jobs of a command, and run them.

    Args:
        typed: the flags and words as ``longlag train`` takes them, but ``--dry-run``.
        command: what a person has typed, for the status of each run, wherever it runs.
        dry: whether nothing is to run.

    Returns:
        The exit code of a command that has ended without a run; ``None`` if the session knows the runs.

    Raises:
        RequestError: the request was wrong.
        KeyboardInterrupt: a run was interrupted; its status says so.

    """
    current = begin(dry)
    try:
        flags, words = divided(typed)
        check_once(words, "-m")
        config_dir = _config_dir(flags)
        check_choices(words, conf_dirs(config_dir), "-m")
        if not {"-h", "--help"}.isdisjoint(flags):
            print(train_help(words, config_dir), end="")
            return 0
        with (
            env_override({COMMAND: command}),
            _as_hydra_sees_it([*flags, *words]),
            _ends_as_interrupts(current),
            current.closing,
        ):
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="train")(_job)()
        current.best = None if current.study is None else _best(current.study)
    except RequestError:
        raise
    except SystemExit as error:  # Hydra's argument parser, the look ahead at a grid, or the first failure
        if current.refused is None and (current.dry or not current.folders):
            return error.code if isinstance(error.code, int) else 2
    except Exception as error:
        if current.study is None or str(error) != "No trials are completed yet.":  # Optuna's: all runs have failed
            raise explained(error, known_keys(typed)) or error from error
    if current.refused is not None:
        raise current.refused
    return None


def _config_dir(flags: Sequence[str]) -> str | None:
    """Return the folder with more YAML files, if the flags name one."""
    found = None
    for flag, following in pairwise([*flags, ""]):
        name, equals, value = flag.partition("=")
        if name in ("-cd", "--config-dir"):
            found = value if equals else following
    return found


def _job(config: DictConfig) -> float | None:
    """Run one job: the one of the command, or one that another launcher hands over.

    Returns:
        The figure that a search makes small; ``None`` if the run has not ended.

    Raises:
        SystemExit: the job failed, and ``fail_fast`` is set.

    """
    from longlag.launch.assignment import Assignment
    from longlag.launch.batch import Batch

    if session().dry:
        _forecast(config)
        return None
    batch = Batch(Console(stderr=True))
    queued = batch.take(config)
    if queued is not None:
        batch.run(Assignment((queued,)))
    if batch.failed_fast:
        raise SystemExit(1)
    value: float | None = batch.returns[0].return_value
    return value


def _forecast(config: DictConfig) -> None:
    """Check the one job of a dry run, and print its forecast."""
    from longlag.jobs.job import Job
    from longlag.launch.forecast import print_forecast

    hydra_node = HydraConfig.get()
    try:
        job = Job.composed(config, hydra_node, hydra_node.overrides.task)
        job.build()
    except RequestError as error:
        session().refused = error
    else:
        print_forecast([job])


def _report(typed: Sequence[str]) -> int:
    """Print the table of the runs and what is missing of them, and return the exit code that they deserve."""
    folders = session().folders
    if not folders:
        return 0
    from longlag.report.table import print_runs
    from longlag.runs import read_run

    records = {path: read_run(path) for path in folders}
    ran = [record for record in records.values() if record is not None]
    output = stdout_console()
    if ran:
        print_runs(ran, output)
        place = os.path.commonpath([str(path) for path in folders])
        print_line(output, f"\nruns: {place}")
        if len(folders) > 1:
            print_line(output, f"compare them on a page: longlag report {shlex.quote(place)}")
    if session().best is not None:
        print_line(output, f"best: {session().best}")
    missing = [path for path, record in records.items() if record is None or not record.status.finished]
    if len(folders) > 1 and missing:
        print_line(output, f"\nnot ended: {len(missing)} of {len(folders)} runs")
        for path in missing:
            print_line(output, f"  {path.name}: {_why(records[path])}")
        command = shlex.join(["longlag", "train", *typed])
        print_line(output, f"this goes on with them: {command}")
    return 1 if missing else 0


def _best(study: Path) -> str | None:
    """Return the best settings of a search in a line, as its sweeper has written them; ``None`` if it has not."""
    from longlag.runs.schema import DamagedRunError, read_yaml

    try:
        results = read_yaml(study / "optimization_results.yaml")
    except FileNotFoundError:
        return None
    except DamagedRunError:
        results = {}
    best, value = results.get("best_params"), results.get("best_value")
    if not isinstance(best, dict) or not isinstance(value, int | float):
        return str(study / "optimization_results.yaml")
    settings = " ".join(f"{key}={value}" for key, value in best.items())
    return f"{settings} with {value:,.0f} training sequences"


def _why(record: "RunRecord | None") -> str:
    """Return in a line why a run has not ended."""
    if record is None:
        return "not begun"
    reason = " ".join(record.status.reason.split())
    see = f"; see {record.folder.log}" if record.status.state == "failed" else ""
    return f"{record.status.state}{': ' if reason else ''}{reason}{see}"


@contextmanager
def _ends_as_interrupts(current: Session) -> Iterator[None]:
    """While the context lasts, SIGTERM and SIGHUP between two jobs end the command as SIGINT does.

    A command that ignores one of these, as under nohup, goes on ignoring the signal. Any other exception that follows a
    signal ends the command as interrupted too: a signal in the middle of an import turns into whatever the import makes
    of it. If that is nothing at all, no further job begins.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        current.interrupted = True
        if number == signal.SIGHUP:
            leave_closed_terminal()
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    heard = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, interrupt)
    try:
        yield
    except (Exception, SystemExit) as error:
        if current.interrupted:
            raise KeyboardInterrupt from error
        raise
    finally:
        for number in heard:
            signal.signal(number, before[number])


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
