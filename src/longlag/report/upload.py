"""Send the offline W&B files of runs to the server, with W&B's own ``wandb sync``, and never for ever."""

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
from longlag.report.workspace import SOLVE_RATES, identifier
from longlag.runs import RunRecord

#: Seconds in which a server has to answer at all.
PATIENCE = 10
#: What keeps W&B, which would try for hours, to a few tries a request.
_FEW_TRIES = {
    "WANDB_X_GRAPHQL_RETRY_MAX": "2",
    "WANDB_X_GRAPHQL_TIMEOUT_SECONDS": "20",
    "WANDB_X_FILE_STREAM_RETRY_MAX": "2",
    "WANDB_X_FILE_STREAM_TIMEOUT_SECONDS": "20",
    "WANDB_X_FILE_TRANSFER_RETRY_MAX": "2",
    "WANDB_X_FILE_TRANSFER_TIMEOUT_SECONDS": "60",
    "WANDB_INIT_TIMEOUT": "30",
    "WANDB_HTTP_TIMEOUT": "20",
    "WANDB_MODE": "online",  # what is offline has been made already
    "WANDB_SILENT": "true",
}


@dataclass(frozen=True)
class Upload:
    """What there is to send of a run.

    Args:
        run: the run.
        files: its offline files that W&B has not taken yet, oldest first: several if it was resumed.
        sent: how many it has taken.
        obstacle: why nothing can be sent; empty if something can, or all is there.

    """

    run: RunRecord
    files: list[Path]
    sent: int = 0
    obstacle: str = ""


def upload_of(run: RunRecord) -> Upload:
    """Find what there is to send of a run."""
    files = sorted(run.folder.path.glob("wandb/offline-run-*/run-*.wandb"))
    waiting = [file for file in files if not _taken(file)]
    if run.status.alive:
        return Upload(run, [], obstacle="it is still running")
    if not files:
        online = any(run.folder.path.glob("wandb/run-*/run-*.wandb"))
        why = "W&B has recorded it online already" if online else "W&B has not recorded it (logger=csv or none)"
        return Upload(run, [], obstacle=why)
    return Upload(run, waiting, len(files) - len(waiting))


def prepare() -> None:
    """Hold W&B to a few tries; to be called before W&B is imported for the first time."""
    os.environ.update(_FEW_TRIES)


def check_server() -> None:
    """Check that there is a key, and a server that answers.

    Raises:
        ConnectionError: one of them is missing; the message says what to do.

    """
    import wandb
    from wandb.sdk.lib import wbauth

    url = wandb.setup().settings.base_url
    try:
        key = wbauth.authenticate_session(host=url, source="longlag publish", no_offline=True, prompt=False)
    except wandb.Error as error:
        raise ConnectionError(f"W&B does not take the API key: {_first_line(error)}; wandb login stores one") from error
    if key is None:
        raise ConnectionError("there is no W&B API key; wandb login stores one")
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PATIENCE).close()
    except urllib.error.HTTPError:
        pass  # whatever it says, it is there
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ConnectionError(f"no connection to {url}: {getattr(reason, 'strerror', None) or reason}") from error


def send(files: Sequence[Path], project: str, entity: str) -> tuple[list[Path], list[Path]]:
    """Send offline files, the parts of one run in the order in which they were written.

    Args:
        files: the offline files.
        project: the W&B project.
        entity: the W&B user or team.

    Returns:
        The files that W&B did not take; and those that it took as far as they go, which end in the middle of a record,
        as they do when a run was killed. It would send the latter again each time, and each time they would be longer
        there, so they are marked as taken.

    """
    sound = [file for file in files if _is_wandbs(file)]  # one that is not would keep W&B from taking any
    said = _synced(sound, project, entity) if sound else ""
    cut = [
        file
        for file in sound
        if not _taken(file) and any("incomplete record" in x and file.parent.name in x for x in said.splitlines())
    ]
    for file in cut:
        _mark(file).touch()
    return [file for file in files if not _taken(file)], cut


def _synced(files: Sequence[Path], project: str, entity: str) -> str:
    """Run ``wandb sync``, for a bounded time, and return what it said."""
    command = [sys.executable, "-m", "wandb", "sync", "--project", project, "--entity", entity]
    with tempfile.TemporaryDirectory() as folder:  # wandb leaves a log in the current one
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
        except subprocess.TimeoutExpired:  # what has come through by then is marked
            return ""
    return done.stderr.decode(errors="replace")


def send_study(study: str, runs: Sequence[RunRecord], project: str, entity: str) -> bool:
    """Send the map of solve rates, in a run of its own that stands for the study, and say whether W&B took it.

    Its name follows from the study, so that the next picture lands in the same run.
    """
    import wandb

    from longlag.report.figures import SOLVE_RATE, save_figures

    with tempfile.TemporaryDirectory() as folder:
        drawn = save_figures([RunCurves(run, {}, {}) for run in runs], Path(folder), [SOLVE_RATE])
        if not drawn:
            return True
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
            settings=wandb.Settings(console="off", x_disable_stats=True, silent=True),
        )
        run.log({SOLVE_RATES: wandb.Image(str(drawn[0]))}, step=int(time.time()))  # after the one that was sent before
        run.finish()
        files = list(Path(folder).glob("wandb/offline-run-*/run-*.wandb"))
        left, cut = send(files, project, entity)
        return not left and not cut


def _is_wandbs(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(4) == b":W&B"
    except OSError:
        return False


def _taken(file: Path) -> bool:
    return _mark(file).exists()


def _mark(file: Path) -> Path:
    """Return what W&B leaves beside a file that it has taken."""
    return file.with_name(f"{file.name}.synced")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
