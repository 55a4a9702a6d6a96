"""Send the offline W&B files of runs to the server with ``wandb sync``, within a bounded time."""

import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from longlag.report.curves import RunCurves
from longlag.report.wandb.workspace import SOLVE_RATES, identifier
from longlag.runs import DamagedRunError, RunRecord
from longlag.runs.claim import holder_of
from longlag.runs.files import open_file
from longlag.wandb_internals import api_key, own_environment, quiet_settings

#: Seconds within which the server must answer.
PATIENCE = 10
#: W&B would try each request for hours; these settings allow a few tries.
_FEW_TRIES = {
    "WANDB_X_GRAPHQL_RETRY_MAX": "2",
    "WANDB_X_GRAPHQL_TIMEOUT_SECONDS": "20",
    "WANDB_X_FILE_STREAM_RETRY_MAX": "2",
    "WANDB_X_FILE_STREAM_TIMEOUT_SECONDS": "20",
    "WANDB_X_FILE_TRANSFER_RETRY_MAX": "2",
    "WANDB_X_FILE_TRANSFER_TIMEOUT_SECONDS": "60",
    "WANDB_INIT_TIMEOUT": "30",
    "WANDB_HTTP_TIMEOUT": "20",
    "WANDB_MODE": "online",  # the offline files exist already
    "WANDB_SILENT": "true",
}


@dataclass(frozen=True)
class Upload:
    """The files of a run that W&B does not have yet.

    Args:
        run: the run.
        files: the offline files that were not sent yet, oldest first; several if the run was resumed.
        sent: the number of files that were sent before.
        obstacle: why nothing can be sent; empty if there is no obstacle.

    """

    run: RunRecord
    files: list[Path]
    sent: int = 0
    obstacle: str = ""


def upload_of(run: RunRecord) -> Upload:
    """Find the files of a run that were not sent yet."""
    try:
        run.folder.check_places()
    except DamagedRunError as error:
        return Upload(run, [], obstacle=str(error))
    files = sorted(run.folder.path.glob("wandb/offline-run-*/run-*.wandb"))
    waiting = [file for file in files if not _is_sent(file)]
    if holder_of(run.folder.path) is not None:
        return Upload(run, [], obstacle="it is still running")
    if not files:
        online = any(run.folder.path.glob("wandb/run-*/run-*.wandb"))
        why = "it was recorded online" if online else "W&B did not record it (logger=csv or none)"
        return Upload(run, [], obstacle=why)
    return Upload(run, waiting, len(files) - len(waiting))


def prepare() -> None:
    """Limit W&B to a few tries for each request; call this before the first import of W&B."""
    os.environ.update(_FEW_TRIES)


def check_server() -> None:
    """Check that there is an API key and that the server answers.

    Raises:
        ConnectionError: the key is missing, or the server does not answer; the message says what to do.

    """
    import wandb

    try:
        with own_environment():
            url = wandb.setup().settings.base_url
            key = api_key(url)
    except wandb.Error as error:
        raise ConnectionError(f"W&B does not take the API key: {_first_line(error)}; wandb login stores one") from error
    if key is None:
        raise ConnectionError("there is no W&B API key; wandb login stores one")
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PATIENCE).close()
    except urllib.error.HTTPError:
        pass  # an error from the server is an answer
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ConnectionError(f"no connection to {url}: {getattr(reason, 'strerror', None) or reason}") from error


def send(files: Sequence[Path], project: str, entity: str) -> tuple[list[Path], list[Path]]:
    """Send offline files; the parts of one run are sent in the order in which they were written.

    Args:
        files: the offline files.
        project: the W&B project.
        entity: the W&B user or team.

    Returns:
        The files that were not sent; and the files that were sent although they end in the middle of a record, as after
        the kill of a run. W&B would append the latter again at each call, so they are marked as sent.

    """
    sound = [file for file in files if _is_wandb_file(file)]  # one damaged file would stop W&B from sending any
    messages = _sync(sound, project, entity) if sound else ""
    cut = [
        file
        for file in sound
        if not _is_sent(file) and any("incomplete record" in x and file.parent.name in x for x in messages.splitlines())
    ]
    for file in cut:
        open_file(_mark(file), "a").close()
    return [file for file in files if not _is_sent(file)], cut


def _sync(files: Sequence[Path], project: str, entity: str) -> str:
    """Run ``wandb sync`` for a bounded time and return its messages."""
    command = [sys.executable, "-m", "wandb", "sync", "--project", project, "--entity", entity]
    with tempfile.TemporaryDirectory() as folder:  # wandb writes a log into the current folder
        try:
            done = subprocess.run(
                [*command, *(str(file.resolve()) for file in files)],
                cwd=folder,
                env={**os.environ, "WANDB_SILENT": "false"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=60 + 20 * len(files),
                check=False,
            )
        except subprocess.TimeoutExpired:  # W&B has marked the files that it sent by then
            return ""
    return done.stderr.decode(errors="replace")


def send_study(study: str, runs: Sequence[RunRecord], project: str, entity: str) -> bool:
    """Send the map of solve rates as a W&B run that stands for the study, and return whether this succeeded.

    The id of the run follows from the study, so that the next picture goes to the same run.
    """
    import wandb

    from longlag.report.figures import save_solve_rates

    with tempfile.TemporaryDirectory() as folder:
        drawn = save_solve_rates([RunCurves(run, {}, {}) for run in runs], Path(folder))
        if not drawn:
            return True
        with own_environment():
            run = wandb.init(
                dir=folder,
                id=identifier(study, "study"),
                resume="allow",
                name=f"study {study}",
                project=project,
                entity=entity,
                group=study,
                job_type="report",
                mode="offline",
                settings=quiet_settings(silent=True),
            )
        run.log({SOLVE_RATES: wandb.Image(str(drawn[0]))}, step=int(time.time()))  # later than the picture before
        run.finish()
        files = list(Path(folder).glob("wandb/offline-run-*/run-*.wandb"))
        left, cut = send(files, project, entity)
        return not left and not cut


def _is_wandb_file(file: Path) -> bool:
    try:
        with open_file(file, "rb") as opened:
            return bool(opened.read(4) == b":W&B")
    except OSError:
        return False


def _is_sent(file: Path) -> bool:
    return _mark(file).exists()


def _mark(file: Path) -> Path:
    """Return the file that W&B writes beside a file that it has sent."""
    return file.with_name(f"{file.name}.synced")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
