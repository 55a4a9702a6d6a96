"""``longlag train --dry-run``: the action for each job, and an estimate of the time."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, get_args

from rich.console import Console

from longlag.errors import RequestError
from longlag.jobs.job import Job
from longlag.jobs.rehearsal import Membership
from longlag.launch.assignment import population_title
from longlag.launch.populations import HowMany, divided, summary
from longlag.report.table import LEFT, setting_columns
from longlag.runs import DamagedRunError, RunRecord, Status, in_words, read_study
from longlag.runs.claim import holder_of
from longlag.settings.names import apart_from_seed
from longlag.settings.stored import checked_run
from longlag.terminal import duration, print_line, print_table, stdout_console

Action = Literal["run", "resume", "skip", "held"]


@dataclass(frozen=True)
class Forecast:
    """The forecast of a job.

    Args:
        job: the job.
        action: run it, go on with it, skip it, or leave it to the process that holds it.
        why: the state of its run, or the process that holds it.
        seconds: an estimate of the training time; ``None`` without a run to estimate from.

    """

    job: Job
    action: Action
    why: str
    seconds: float | None

    @property
    def ahead(self) -> bool:
        """Whether there is something left to train."""
        return self.action in ("run", "resume")


def forecasts(jobs: Sequence[Job]) -> list[Forecast]:
    """Return the forecast of each job, from the folders of its study."""
    studies = dict.fromkeys(job.folder.path.parent for job in jobs)
    clock = _Clock(record for study in studies if study.is_dir() for record in read_study(study))
    return [_forecast(job, clock) for job in jobs]


def print_forecast(
    jobs: Sequence[Job], memberships: Sequence[Membership] = (), how_many: HowMany | None = None, at_once: int = 1
) -> None:
    """Print a line for each job, a table of the settings if these have several seeds, and the sums.

    Args:
        jobs: the jobs.
        memberships: whether each may train in a population.
        how_many: says how many populations a kind forms; ``None`` if there are none.
        at_once: the most members at once.

    """
    console = stdout_console()
    results = forecasts(jobs)
    formed = ""
    if how_many is None:
        _print_jobs(results, console)
    else:
        formed = _print_processes(results, memberships, how_many, at_once, console)
    _print_settings(results, console)
    counts = Counter(one.action for one in results)
    summed = [f"{counts[action]} to {action}" for action in ("run", "resume", "skip") if counts[action]]
    summed += [f"{counts['held']} that another process is at"] if counts["held"] else []
    ahead = [one.seconds for one in results if one.ahead]
    known = [seconds for seconds in ahead if seconds is not None]
    print_line(console, f"\n{len(results)} job{'s' * (len(results) != 1)}: {', '.join(summed)}")
    if formed:
        print_line(console, formed)
    if ahead:
        untold = f", and {len(ahead) - len(known)} that no run tells of" if len(known) < len(ahead) else ""
        total = _estimate(sum(known)) if known else "no run tells how long"
        print_line(console, f"training, one after the other: {total}{untold if known else ''}")


def _print_jobs(results: Iterable[Forecast], console: Console) -> None:
    for one in results:
        time = f"  {_estimate(one.seconds)}" if one.ahead else ""
        why = f"  ({one.why})" if one.why else ""
        print_line(console, f"{one.action:7}{one.job.folder.path}{time}{why}")


def _print_processes(
    results: Sequence[Forecast], memberships: Sequence[Membership], how_many: HowMany, at_once: int, console: Console
) -> str:
    """Print the jobs by how they train, each under a heading: in which population, or why alone.

    Returns:
        The line about the populations; empty if there is none.

    """
    _print_jobs((one for one in results if not one.ahead), console)
    ahead = [(one, membership) for one, membership in zip(results, memberships, strict=True) if one.ahead]
    shares = divided([membership.kind for _, membership in ahead], how_many, at_once)
    groups: dict[str, list[Forecast]] = {}
    for share in shares:
        first, membership = ahead[share[0]]
        if len(share) > 1:
            print_line(console, f"in a population of {len(share)}, {population_title(first.job)}:")
            _print_jobs((ahead[k][0] for k in share), console)
        else:
            shared_out = sum(other.kind == membership.kind for _, other in ahead) > 1
            why = membership.alone or ("one to each process" if shared_out else "no other job could join it")
            groups.setdefault(why, []).append(first)
    for why, alone in groups.items():
        print_line(console, f"alone: {why}:")
        _print_jobs(alone, console)
    return summary([[ahead[k][0].job.settings for k in share] for share in shares])


def _print_settings(results: Sequence[Forecast], console: Console) -> None:
    """Print how many jobs of each setting run, go on, are skipped or held, and about how long they take."""
    planned = [RunRecord(one.job.folder, one.job.settings, Status("running"), {}) for one in results]
    setting = setting_columns(planned)
    groups: dict[tuple[str, ...], list[Forecast]] = {}
    for one, record in zip(results, planned, strict=True):
        groups.setdefault(tuple(read(record) for _, read in setting), []).append(one)
    if not 1 < len(groups) < len(results):
        return
    actions = [action for action in get_args(Action) if any(one.action == action for one in results)]
    rows = []
    for key, members in groups.items():
        counts = Counter(one.action for one in members)
        ahead = [one.seconds for one in members if one.ahead]
        known = [seconds for seconds in ahead if seconds is not None]
        time = "-" if not ahead else _estimate(sum(known) if len(known) == len(ahead) else None)
        rows.append([*key, *(str(counts[action] or "-") for action in actions), time])
    print_line(console, "")
    print_table([*(heading for heading, _ in setting), *actions, "time"], rows, console, LEFT)


def _forecast(job: Job, clock: "_Clock") -> Forecast:
    owner = holder_of(job.folder.path)
    if owner is not None:
        return Forecast(job, "held", f"process {owner.pid} on {owner.host}", None)
    action = job.next_action()
    if action.kind == "skip":
        return Forecast(job, "skip", in_words(action.state), None)
    if action.kind == "resume":
        further = f"; goes on from {action.from_step:,} to {job.max_steps:,}" if action.from_step is not None else ""
        return Forecast(job, "resume", f"{in_words(action.state)}{further}", clock.rest(job))
    aside = "; would be set aside" if job.fresh else ", and no checkpoint"
    return Forecast(job, "run", f"{in_words(action.state)}{aside}" if action.state else "", clock.whole(job))


class _Clock:
    """Estimates the time of a run from runs that have ended.

    The best estimate is the same settings with another seed. Else the time for a step and a unit of lag counts, of runs
    with another lag or forget bias: the time of a step is proportional to the length of its sequences.
    """

    def __init__(self, records: Iterable[RunRecord]) -> None:
        self._alike: dict[str, list[float]] = {}
        self._rates: dict[str, list[float]] = {}
        for record in records:
            seconds, steps = (record.summary.get(name) for name in ("seconds", "steps"))
            T = record.config["run"].get("T")
            try:
                checked_run(record.config)
            except RequestError:  # a folder that may be anybody's tells nothing
                continue
            if record.status.finished and isinstance(seconds, int | float) and isinstance(steps, int) and steps:
                self._alike.setdefault(apart_from_seed(record.config), []).append(seconds)
                if isinstance(T, int) and T > 0:
                    self._rates.setdefault(_size(record.config), []).append(seconds / steps / T)

    def whole(self, job: Job) -> float | None:
        """Return the seconds from the first step."""
        alike, rates = self._alike.get(apart_from_seed(job.settings)), self._rates.get(_size(job.settings))
        if alike:
            return median(alike)
        if not rates:
            return None
        return median(rates) * float(job.max_steps * job.settings["run"]["T"])

    def rest(self, job: Job) -> float | None:
        """Return the seconds from the last checkpoint."""
        from longlag.training.checkpoint import read_checkpoint

        whole = self.whole(job)
        if whole is None:
            return None
        try:
            step: int = read_checkpoint(job.folder.last_checkpoint)["global_step"]
        except (FileNotFoundError, DamagedRunError):  # a damaged checkpoint is refused when the run goes on
            step = 0
        return max(0.0, whole * (1 - step / float(job.max_steps)))


def _size(settings: dict[str, Any]) -> str:
    """Return the settings, apart from the lag, that decide the time of a step."""
    cell = {key: value for key, value in settings["cell"].items() if key != "forget_bias"}
    sizes = {key: value for key, value in (settings["task"].get("splits") or {}).items() if key != "seed"}
    parts = [cell, settings["task"]["_target_"], sizes, settings["model"], settings["engine"]]
    parts.append({key: value for key, value in settings["trainer"].items() if key not in ("max_steps", "max_time")})
    return json.dumps(parts, sort_keys=True, default=str)


def _estimate(seconds: float | None) -> str:
    return "time unknown" if seconds is None else f"about {duration(seconds)}"
