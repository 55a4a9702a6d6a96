"""``longlag publish``: studies that were recorded offline go to W&B, each with a workspace that compares its runs."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longlag.cli.arguments import CommandParser
from longlag.cli.requests import RequestError
from longlag.cli.studies import warn
from longlag.runs import RunRecord, read_run, read_study
from longlag.runs.files import write_whole


def run(arguments: Sequence[str]) -> int:
    """Run ``longlag publish`` and return its exit code: 1 if something could not be sent.

    Raises:
        RequestError: the request was wrong.

    """
    parser = CommandParser(
        "publish",
        "Upload what W&B has recorded offline of the runs of a study, the parts of a resumed run as one, and save a"
        " workspace for the study there: solve rates, curves grouped over seeds, parallel coordinates, error flow. What"
        " W&B has already is not sent again; the workspace is made anew, so keep changes of yours under another name."
        " STUDY/workspace.json and STUDY/uploads.json say what is sent. It needs an account (wandb login).",
        ["longlag publish outputs/first", "longlag publish outputs/first --entity my-team --dry-run"],
    )
    parser.add_argument("studies", nargs="+", metavar="STUDY", help="a study, such as outputs/first")
    parser.add_argument("--project", help="the W&B project; the one in the settings of the runs if not given")
    parser.add_argument("--entity", help="the W&B user or team; the one in the settings, or else your default one")
    parser.add_argument("--dry-run", action="store_true", help="write the two files and send nothing")
    options = parser.parse_args(list(arguments))
    studies = [(Path(folder), _runs(Path(folder))) for folder in options.studies]

    plans = [_plan(folder, runs, options) for folder, runs in studies]
    if options.dry_run:
        return 0

    from longlag.report.upload import check_server, prepare

    prepare()
    try:
        check_server()
    except ConnectionError as error:
        warn(f"nothing is sent: {error}")
        return 1
    arrived = [_send(*plan) for plan in plans]
    return 0 if all(arrived) else 1


def _runs(folder: Path) -> list[RunRecord]:
    """Return the runs of a study.

    Raises:
        RequestError: it is none.

    """
    if not folder.is_dir():
        raise RequestError(f"{folder} is no folder")
    try:
        if read_run(folder) is not None:
            raise RequestError(f"{folder} is a single run; longlag publish takes its study, {folder.parent}")
        found = read_study(folder, warn)
    except OSError as error:
        raise RequestError(f"cannot read {folder}: {error.strerror}") from error
    if not found:
        raise RequestError(f"no run in {folder}")
    return found


def _plan(folder: Path, runs: list[RunRecord], options: argparse.Namespace) -> tuple[str, list[RunRecord], Any, str]:
    """Say what would be sent, write it down, and return it: the study, its runs, the uploads and the project.

    Raises:
        RequestError: it cannot be written.

    """
    from longlag.report.upload import upload_of
    from longlag.report.workspace import build_workspace, workspace_json

    uploads = [upload_of(run) for run in runs]
    for upload in uploads:
        if upload.obstacle:
            warn(f"{upload.run.folder.path} is left out: {upload.obstacle}")
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
    there = sum(bool(upload.sent and not upload.files) for upload in uploads)
    files = sum(len(upload.files) for upload in uploads)
    print(f"{study}: {len(listed)} runs to send, in {files} files ({folder}/uploads.json); {there} are there already")
    print(f"{study}: its workspace is in {folder}/workspace.json")
    return study, runs, uploads, workspace


def _send(study: str, runs: list[RunRecord], uploads: Any, workspace: Any) -> bool:
    """Send a study, and say whether all of it has arrived."""
    import wandb

    from longlag.report.upload import send, send_study
    from longlag.report.workspace import save_workspace

    try:
        workspace.entity = workspace.entity or wandb.Api().default_entity or ""
        if not workspace.entity:
            raise ValueError("the account has no default user or team; --entity names one")
        files = [file for upload in uploads for file in upload.files]
        left, cut = send(files, workspace.project, workspace.entity)
        for file in left:
            warn(f"W&B did not take {file}")
        for file in cut:
            warn(f"{file} was cut off when the run was; W&B has what there is")
        mapped = send_study(study, runs, workspace.project, workspace.entity)
        if not mapped:
            warn(f"W&B did not take the solve rates of {study}")
        print(f"{study}: {save_workspace(workspace)}")
    except (wandb.Error, ValueError, OSError) as error:
        warn(f"{study}: W&B did not take it: {' '.join(str(error).split())[:300]}")
        return False
    return mapped and not left


def _setting(runs: Sequence[RunRecord], name: str) -> str | None:
    """Return what the settings of the runs say of W&B, the first that say something."""
    loggers = [run.config.get("logger") for run in runs]
    found = [logger[name] for logger in loggers if isinstance(logger, dict) and logger.get(name)]
    return str(found[0]) if found else None
