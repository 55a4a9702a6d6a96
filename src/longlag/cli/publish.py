"""``longlag publish``: upload studies that were recorded offline to W&B, each with a workspace."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longlag.cli.arguments import CommandParser
from longlag.errors import RequestError
from longlag.runs import RunRecord, has_run, read_study
from longlag.runs.files import write_whole
from longlag.terminal import print_warning


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag publish`` and return its exit code: 1 if a file could not be sent.

    Raises:
        RequestError: the request was wrong.

    """
    parser = CommandParser(
        "publish",
        "Upload the offline W&B records of the runs of a study, and save a W&B workspace for the study: solve rates,"
        " curves grouped over seeds, parallel coordinates, error flow. The parts of a resumed run become one run. Files"
        " that were sent before are not sent again. The workspace is overwritten, so save a changed one under another"
        " name. STUDY/workspace.json and STUDY/uploads.json show what is sent. This needs an account (wandb login).",
        ["longlag publish outputs/first", "longlag publish outputs/first --entity my-team --dry-run"],
    )
    parser.add_argument("studies", nargs="+", metavar="STUDY", help="a study, such as outputs/first")
    parser.add_argument("--project", help="the W&B project; default: the one in the settings of the runs")
    parser.add_argument(
        "--entity",
        help="the W&B user or team; default: the one in the settings of the runs, else the one of the account",
    )
    parser.add_argument("--dry-run", action="store_true", help="write the two files and send nothing")
    options = parser.parse_args(list(arguments))
    studies = [(Path(folder), _runs(Path(folder))) for folder in options.studies]

    plans = [_plan(folder, runs, options) for folder, runs in studies]
    if options.dry_run:
        return 0

    from longlag.report.wandb.upload import check_server, prepare

    prepare()
    try:
        check_server()
    except ConnectionError as error:
        print_warning(f"nothing is sent: {error}")
        return 1
    arrived = [_send(*plan) for plan in plans]
    return 0 if all(arrived) else 1


def _runs(folder: Path) -> list[RunRecord]:
    """Return the runs of a study.

    Raises:
        RequestError: the folder is not a study with runs.

    """
    if not folder.is_dir():
        raise RequestError(f"{folder} is no folder")
    try:
        if has_run(folder):
            raise RequestError(f"{folder} is a single run; longlag publish takes its study, {folder.parent}")
        runs = read_study(folder, print_warning)
    except OSError as error:
        raise RequestError(f"cannot read {folder}: {error.strerror}") from error
    if not runs:
        raise RequestError(f"no run in {folder}")
    return runs


def _plan(folder: Path, runs: list[RunRecord], options: argparse.Namespace) -> tuple[str, list[RunRecord], Any, str]:
    """Plan the upload of a study, print and save the plan, and return study, runs, uploads and workspace.

    Raises:
        RequestError: a file cannot be written.

    """
    from longlag.report.wandb.upload import upload_of
    from longlag.report.wandb.workspace import build_workspace, workspace_json

    uploads = [upload_of(run) for run in runs]
    for upload in uploads:
        if upload.obstacle:
            print_warning(f"{upload.run.folder.path} is left out: {upload.obstacle}")
    study = str(runs[0].config.get("study", folder.name))
    project = options.project or _setting(runs, "project") or "longlag"
    entity = options.entity or _setting(runs, "entity") or ""
    workspace = build_workspace(study, runs, project, entity)
    listed = [
        {"run": upload.run.folder.path.name, "files": [str(file.relative_to(folder)) for file in upload.files]}
        for upload in uploads
        if upload.files
    ]
    try:
        write_whole(folder / "workspace.json", workspace_json(workspace))
        write_whole(folder / "uploads.json", json.dumps(listed, indent=2) + "\n")
    except OSError as error:
        raise RequestError(f"cannot write to {folder}: {error.strerror}") from error
    sent = sum(bool(upload.sent and not upload.files) for upload in uploads)
    files = sum(len(upload.files) for upload in uploads)
    print(f"{study}: {len(listed)} runs to send, in {files} files ({folder}/uploads.json); {sent} were sent before")
    print(f"{study}: the workspace is in {folder}/workspace.json")
    return study, runs, uploads, workspace


def _send(study: str, runs: list[RunRecord], uploads: Any, workspace: Any) -> bool:
    """Send a study, and return whether every file has arrived."""
    import wandb

    from longlag.report.wandb.upload import send, send_study
    from longlag.report.wandb.workspace import save_workspace

    try:
        workspace.entity = workspace.entity or wandb.Api().default_entity or ""
        if not workspace.entity:
            raise ValueError("the account has no default user or team; --entity names one")
        files = [file for upload in uploads for file in upload.files]
        left, cut = send(files, workspace.project, workspace.entity)
        for file in left:
            print_warning(f"W&B did not receive {file}")
        for file in cut:
            print_warning(f"{file} ends in the middle of a record, as after the kill of a run; W&B has the rest")
        rates_sent = send_study(study, runs, workspace.project, workspace.entity)
        if not rates_sent:
            print_warning(f"W&B did not receive the solve rates of {study}")
        print(f"{study}: {save_workspace(workspace)}")
    except (wandb.Error, ValueError, OSError) as error:
        print_warning(f"{study}: W&B refused the study: {' '.join(str(error).split())[:300]}")
        return False
    return rates_sent and not left


def _setting(runs: Sequence[RunRecord], name: str) -> str | None:
    """Return an entry of the W&B logger in the settings of the runs; the first run that has the entry counts."""
    loggers = [run.config.get("logger") for run in runs]
    values = [logger[name] for logger in loggers if isinstance(logger, dict) and logger.get(name)]
    return str(values[0]) if values else None
