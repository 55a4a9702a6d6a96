"""One search: the lags in turn, the seeds of each in waves, and the settings tuned where a lag fails."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from longlag.cli.horizon.runs import Runs, merged
from longlag.errors import RequestError
from longlag.horizon import Horizon, LagGrid, Verdict, next_step
from longlag.jobs.job import Job
from longlag.jobs.rehearsal import Rehearsal
from longlag.settings.build import build_task

_TUNING_SEEDS = range(1_000_000, 1_000_003)  # after first_seed: no test draws them
_STARTS = 3  # seeds whose error flow is measured before training
_LR_FACTORS = (1, 1 / 3, 3)
_BIASES = (1.0, 3.0)


@dataclass
class Search:
    """A search for one horizon.

    Args:
        runs: the runs of the command.
        words: of this search.
        title: names it for a person.
        say: prints a line.

    Raises:
        RequestError: a setting is wrong.

    """

    runs: Runs
    words: Sequence[str]
    title: str
    say: Callable[[str], None]
    counts: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Lag -> (solved, not solved)."""
    chosen: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Lag -> the tuned values with which it was tested; none as configured."""

    def __post_init__(self) -> None:
        self.grid = self._grid()
        Rehearsal().check(self._job(self.grid.start))
        self._tuned: dict[str, Any] = {}

    @property
    def study(self) -> Path:
        """The folder of the study."""
        return self._job(self.grid.start).folder.path.parent

    @property
    def jobs(self) -> list[Job]:
        """The jobs that count: the seeds of each lag, with the settings with which it was tested."""
        return [job for T, counted in self.counts.items() for job in self._jobs(T, sum(counted))]

    def starts(self, T: int | None) -> list[Job]:
        """Return the jobs of the first seeds at a lag, or at the shortest one, as configured: for the error flow."""
        first = self.runs.request.first_seed
        lag = min(self.counts) if T is None else T
        return [self.runs.job(self.words, lag, seed) for seed in range(first, first + _STARTS)]

    def run(self) -> Horizon:
        """Search until the horizon is found.

        Raises:
            UnfinishedError: a run has not ended.
            RunsToDoError: this is a dry run, and a run is missing.

        """
        verdicts: dict[int, Verdict] = {}
        while (step := next_step(self.grid, verdicts)).next_lag is not None:
            T = step.next_lag
            if self.grid.start < T and (why := self._refusal(T)):
                self.say(f"{self.title}: T={T} is the end: {why}")
                self.grid = replace(self.grid, most=T - 1)
                continue
            verdicts[T] = self._verdict(T)
        for end in (step.within, step.beyond):  # where the curve counts most, no seed is spared
            if end is not None:
                self._count(end, self.runs.request.seeds)
        return Horizon.of(self.grid, self.runs.request.rule, self.counts)

    def _verdict(self, T: int) -> Verdict:
        verdict = self._tested(T)
        if verdict == "beyond" and self.runs.request.tune == "grid":
            before = self._tuned
            self._tuned = self._best(T)
            if self._tuned != before:
                self.say(f"{self.title}: T={T}: tuned: {_shown(self._tuned)}")
                verdict = self._tested(T)
            if verdict == "beyond":
                self._tuned = before
        return verdict

    def _tested(self, T: int) -> Verdict:
        """Test a lag, wave by wave, until the verdict is clear."""
        rule = self.runs.request.rule
        self.chosen[T] = self._tuned
        for wave in rule.waves:
            solved, failed = self._count(T, wave)
            if (verdict := rule.verdict(solved, failed)) is not None:
                self.say(f"{self.title}: T={T}: {solved} of {solved + failed} seeds: {verdict} the horizon")
                return verdict
        raise AssertionError("the last wave decides")

    def _count(self, T: int, seeds: int) -> tuple[int, int]:
        first = self.runs.request.first_seed
        jobs = self.runs.outcomes(self._words(T), T, range(first, first + seeds))
        solved = sum(self.runs.solved(job) for job in jobs)
        self.counts[T] = solved, len(jobs) - solved
        return self.counts[T]

    def _best(self, T: int) -> dict[str, Any]:
        """Return the values of the small grid with which other seeds are solved soonest, on average."""
        values = self._job(T).values
        axes: dict[str, list[Any]] = {}
        if isinstance(lr := values["optimizer"].get("lr"), int | float):
            axes["optimizer.lr"] = [lr * factor if factor != 1 else lr for factor in _LR_FACTORS]
        if isinstance(bias := values["cell"].get("forget_bias"), int | float):
            axes["cell.forget_bias"] = list(dict.fromkeys((bias, *_BIASES)))
        if not axes:
            return {}
        seeds = [self.runs.request.first_seed + seed for seed in _TUNING_SEEDS]
        jobs = self.runs.outcomes(self.words, T, seeds, axes)
        groups = [jobs[k : k + len(seeds)] for k in range(0, len(jobs), len(seeds))]
        best = min(groups, key=lambda group: sum(map(self.runs.score, group)))  # the first of equals: as configured
        chosen = best[0].values
        found = {key: chosen[key.split(".")[0]][key.split(".")[1]] for key in axes}
        return {key: value for key, value in found.items() if value != axes[key][0]}

    def _words(self, T: int) -> list[str]:
        return merged(self.words, [f"{key}={value!r}" for key, value in self.chosen[T].items()])

    def _jobs(self, T: int, seeds: int) -> list[Job]:
        first = self.runs.request.first_seed
        return [self.runs.job(self._words(T), T, seed) for seed in range(first, first + seeds)]

    def _job(self, T: int) -> Job:
        return self.runs.job(self.words, T, self.runs.request.first_seed)

    def _refusal(self, T: int) -> str:
        """Return why there can be no run at a lag; empty if there can."""
        try:
            self._job(T).plan()
        except RequestError as error:
            return str(error)
        return ""

    def _grid(self) -> LagGrid:
        """Return the lags that the task takes.

        Raises:
            RequestError: the task takes none, or not the one that was typed.

        """
        request = self.runs.request
        start = request.start or 10
        while True:
            try:
                build_task(self._job(start).values)
                break
            except RequestError:
                if request.start is not None or start * 2 > request.most:
                    raise
                start *= 2
        if start > request.most:
            raise RequestError(f"start must be at most most={request.most}, got {start}")
        least = start
        grid = LagGrid(start, request.per_doubling, 1, request.most)
        places = itertools.takewhile(lambda k: grid.lag(k) >= 1, itertools.count(-1, -1))
        for T in itertools.takewhile(self._takes, map(grid.lag, places)):
            least = T
        return replace(grid, least=least)

    def _takes(self, T: int) -> bool:
        try:
            build_task(self._job(T).values)
        except RequestError:
            return False
        return True


def _shown(values: dict[str, Any]) -> str:
    return " ".join(f"{key}={value:g}" for key, value in values.items()) or "as configured"
