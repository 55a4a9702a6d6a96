"""What a command would do, job by job, and about how long it would take: ``longlag train --dry-run``."""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from rich.console import Console

from longlag.cli.jobs import Job
from longlag.cli.settings import apart_from_seed
from longlag.runs import RunRecord, read_study
from longlag.runs.claim import holder_of

Action = Literal["run", "resume", "skip", "held"]


@dataclass(frozen=True)
class Forecast:
    """What would become of a job.

    Args:
        job: the job.
        action: it would be run, gone on with or skipped, or another process is at it.
        why: the state in which it is, or who is at it.
        seconds: about how long it would train; ``None`` if no run tells.

    """

    job: Job
    action: Action
    why: str
    seconds: float | None


def forecasts(jobs: Sequence[Job]) -> list[Forecast]:
    """Say for each job what would become of it, by what lies in the folders of its study."""
    studies = dict.fromkeys(job.folder.path.parent for job in jobs)
    clock = _Clock(record for study in studies if study.is_dir() for record in read_study(study))
    return [_forecast(job, clock) for job in jobs]


def print_forecast(jobs: Sequence[Job]) -> None:
    """Print a line for each job, and the sums."""
    console = Console() if sys.stdout.isatty() else Console(width=200)
    found = forecasts(jobs)
    for one in found:
        time = "" if one.action in ("skip", "held") else f"  {_told(one.seconds)}"
        why = f"  ({one.why})" if one.why else ""
        console.print(f"{one.action:7}{one.job.folder.path}{time}{why}", highlight=False, markup=False, soft_wrap=True)
    counts = Counter(one.action for one in found)
    parts = [f"{counts[action]} to {action}" for action in ("run", "resume", "skip") if counts[action]]
    parts += [f"{counts['held']} that another process is at"] if counts["held"] else []
    ahead = [one.seconds for one in found if one.action in ("run", "resume")]
    known = [seconds for seconds in ahead if seconds is not None]
    console.print(f"\n{len(found)} job{'s' * (len(found) != 1)}: {', '.join(parts)}", highlight=False)
    if ahead:
        untold = f", and {len(ahead) - len(known)} that no run tells of" if len(known) < len(ahead) else ""
        total = _told(sum(known)) if known else "no run tells how long"
        console.print(f"training, one after the other: {total}{untold if known else ''}", highlight=False)


def _forecast(job: Job, clock: "_Clock") -> Forecast:
    owner = holder_of(job.folder.path)
    if owner is not None:
        return Forecast(job, "held", f"process {owner.pid} on {owner.host}", None)
    status = job.folder.read_status()
    if status is None or job.fresh:
        return Forecast(job, "run", "" if status is None else f"{status.state}; would be set aside", clock.whole(job))
    if status.finished and not job.resumed:
        return Forecast(job, "skip", status.state, None)
    if not job.folder.last_checkpoint.exists():
        return Forecast(job, "run", f"{status.state}, and no checkpoint", clock.whole(job))
    return Forecast(job, "resume", status.state, clock.rest(job))


class _Clock:
    """Tells how long a run takes, by those that have ended.

    The same settings with another seed tell best; else another lag and forget bias, by the number of their steps: a
    step takes as long as its sequences are long.
    """

    def __init__(self, records: Iterable[RunRecord]) -> None:
        self._alike: dict[str, list[float]] = {}
        self._rates: dict[str, list[float]] = {}
        for record in records:
            seconds, steps = (record.summary.get(name) for name in ("seconds", "steps"))
            T = record.config["run"].get("T")
            if record.status.finished and isinstance(seconds, int | float) and isinstance(steps, int) and steps:
                self._alike.setdefault(apart_from_seed(record.config), []).append(seconds)
                if isinstance(T, int):
                    self._rates.setdefault(_size(record.config), []).append(seconds / steps / T)

    def whole(self, job: Job) -> float | None:
        """Return the seconds that a job takes from its first step on."""
        alike, rates = self._alike.get(apart_from_seed(job.settings)), self._rates.get(_size(job.settings))
        if alike:
            return median(alike)
        if not rates:
            return None
        return median(rates) * float(job.settings["trainer"]["max_steps"] * job.settings["run"]["T"])

    def rest(self, job: Job) -> float | None:
        """Return the seconds that it takes from its last checkpoint on."""
        import torch

        whole = self.whole(job)
        if whole is None:
            return None
        try:
            step = int(torch.load(job.folder.last_checkpoint, weights_only=True, map_location="cpu")["global_step"])
        except Exception:  # what is wrong with it will be said when it is gone on with
            step = 0
        return max(0.0, whole * (1 - step / float(job.settings["trainer"]["max_steps"])))


def _size(settings: dict[str, Any]) -> str:
    """Return what decides how long a step takes, but for the lag."""
    cell = {key: value for key, value in settings["cell"].items() if key != "forget_bias"}
    sizes = {key: value for key, value in (settings["task"].get("splits") or {}).items() if key != "seed"}
    parts = [cell, settings["task"]["_target_"], sizes, settings["model"], settings["engine"], settings["trainer"]]
    return json.dumps(parts, sort_keys=True, default=str)


def _told(seconds: float | None) -> str:
    if seconds is None:
        return "time unknown"
    if seconds < 60:
        return f"about {max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 60 else f"about {minutes // 60} h {minutes % 60} min"
