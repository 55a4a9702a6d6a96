"""The trials of an experiment: an ordinary study, a run for each seed, of which what is missing is run."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from longlag.papers.published import PublishedRow
from longlag.runs import RunRecord, read_study
from longlag.runs.metrics_csv import read_metrics


@dataclass(frozen=True)
class Trial:
    """A trial of a row.

    Args:
        seed: of the run.
        sequences: until success; ``None`` if the trial failed.
        wrong: the share of wrong test sequences; ``None`` if the row is about an earlier moment.
        error: the mean absolute error of the test; ``None`` likewise, or if the task has none.
        seconds: of the training.

    """

    seed: int
    sequences: int | None
    wrong: float | None
    error: float | None
    seconds: float


def study_of(paper: str, row: PublishedRow) -> str:
    """Return the name of the study in which the trials of a row are."""
    return f"{paper}/{row.experiment}"


def command(paper: str, row: PublishedRow, trials: int, output_dir: str) -> list[str]:
    """Return what one would type to run the trials of a row: seeds 0, 1, 2, …."""
    what = [f"experiment={paper}/{row.experiment}", f"seed=range({trials})"]
    return ["train", "-m", *what, f"study={study_of(paper, row)}", f"output_dir={output_dir}"]


def run_missing(paper: str, row: PublishedRow, trials: int, output_dir: str) -> int:
    """Run those trials of a row that have not ended, as ``longlag train`` does; return the exit code.

    The progress goes to standard error, and the table of the runs nowhere.
    """
    if not missing(paper, row, trials, output_dir):
        return 0
    words = [sys.executable, "-m", "longlag", *command(paper, row, trials, output_dir)]
    return subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode


def missing(paper: str, row: PublishedRow, trials: int, output_dir: str) -> list[int]:
    """Return the seeds of the trials that have not ended."""
    ended = _records(paper, row, output_dir)
    return [seed for seed in range(trials) if seed not in ended]


def read_trials(
    paper: str, row: PublishedRow, trials: int, output_dir: str, warn: Callable[[str], None] = lambda message: None
) -> list[Trial]:
    """Return the trials of a row that have ended, in the order of their seeds.

    Args:
        paper: the name of the paper.
        row: the row.
        trials: seeds from 0 to ``trials`` − 1 are read.
        output_dir: where the studies are.
        warn: called with a line about each folder that holds no readable run.

    """
    records = _records(paper, row, output_dir, warn)
    return [_trial(records[seed], row) for seed in range(trials) if seed in records]


def _records(
    paper: str, row: PublishedRow, output_dir: str, warn: Callable[[str], None] = lambda message: None
) -> dict[int, RunRecord]:
    """Return the runs that have ended, by their seeds. Those of other settings lie in a study of another name."""
    folder = Path(output_dir) / study_of(paper, row)
    records: Sequence[RunRecord] = read_study(folder, warn) if folder.is_dir() else []
    return {record.config["seed"]: record for record in records if record.status.finished}


def _trial(record: RunRecord, row: PublishedRow) -> Trial:
    summary = record.summary
    early = row.until is not None
    accuracy = None if early else summary.get("test/acc")
    return Trial(
        seed=record.config["seed"],
        sequences=_first(record, row) if early else summary.get("solved_sequences"),
        wrong=None if accuracy is None else 1 - accuracy,
        error=None if early else summary.get("test/error"),
        seconds=float(summary.get("seconds") or 0.0),
    )


def _first(record: RunRecord, row: PublishedRow) -> int | None:
    """Return the sequences before the first validation at which the condition of the row is met."""
    assert row.until is not None
    for _, figures in sorted(read_metrics(record.folder.metrics).items()):
        value = figures.get(row.until.key)
        if value is not None and row.until.met(value):
            return int(figures["sequences"])
    return None
