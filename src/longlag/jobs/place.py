"""The place of a run: what a job checks there before it begins, and says about it at the end."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from longlag.errors import RequestError
from longlag.runs import RunFolder, Segment, Status
from longlag.runs.metrics_csv import read_metrics
from longlag.training.checkpoint import read_checkpoint
from longlag.training.run_plan import RunPlan


def changed(plan: RunPlan, status: Status) -> str:
    """Return a clause about the source files of cell and task that have changed; empty if none has."""
    others = [group for group, digest in plan.sources.items() if digest != status.sources.get(group)]
    return f", but the source of its {' and '.join(others)} has changed" if others else ""


def check_files(folder: RunFolder) -> None:
    """Check the files from which a run goes on, before anything is written.

    Raises:
        RequestError: one cannot be read.

    """
    try:
        folder.read_config()
        if folder.last_checkpoint.exists():
            read_checkpoint(folder.last_checkpoint)
            if folder.metrics.exists():
                read_metrics(folder.metrics)
    except (OSError, ValueError) as error:
        raise RequestError(f"cannot go on with {folder.path}: {error}; fresh=true starts over") from error


def how_ended(status: Status, folder: RunFolder) -> str:
    """Return a line about the end of a run."""
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
    return ", ".join([how, *figures]) + _where_it_changed(status.segments)


def _where_it_changed(segments: Sequence[Segment]) -> str:
    """Return a clause about the last change of engine, processor or PyTorch within the run; empty if there is none."""
    if len(segments) < 2:
        return ""
    before, after = segments[-2:]
    return f"; up to step {after.from_step:,} by {before}, then by {after}: the last digits depend on that"


def try_to_write(path: Path) -> None:
    """Make sure that the folder can be made and written to.

    Raises:
        RequestError: it cannot.

    """
    made: list[Path] = []
    try:
        made += [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path, prefix=".probe.").close()
    except OSError as error:
        raise RequestError(f"cannot write to {path}: {error.strerror}; output_dir=FOLDER names another") from error
    finally:
        for folder in made:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
