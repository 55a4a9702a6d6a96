"""Does the early gradient predict success? It is held against what became of the runs."""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from longlag.report.association import Bootstrap, auc, pairs_of, rank_correlation
from longlag.report.curves import RunCurves
from longlag.report.settings import counts, fact, figure, number, settings_of

EARLY_GRADIENT, DIRECT_PATH = "early gradient", "direct path"
AT_START = "at initialisation"
ALL, SAME_T, SAME_SETTING = "all runs", "runs of the same T", "runs of the same setting"
#: The later score is the first that was measured at this step or after it.
LATER = 50
_PREDICTS, _CHANCE = "it predicts success", "this cannot be told from chance"


@dataclass(frozen=True)
class Prediction:
    """How well a score of runs, taken at some step, orders what became of them.

    Only the order of the scores counts, so it is the same for a gradient and its logarithm; one that is exactly 0 comes
    last. A run that diverged counts as not solved. Where an interval or a figure is ``None``, there is none: see
    :mod:`longlag.report.association`.

    Args:
        score: ``early gradient``, or for comparison ``direct path``: T · log10 σ(forget bias), known before any run.
        when: the moment, in words: ``at initialisation``, ``after 60 steps``, or ``at initialisation, of the runs still
            unsolved after 60 steps``.
        step: the optimizer steps taken by then; the most of them, where runs were measured at different steps.
        among: which runs are compared with each other: ``all runs``, ``runs of the same T`` (and the same task, as T
            means something else in each), or ``runs of the same setting``, which differ in the seed alone.
        runs: how many there are.
        solved: how many of them were solved.
        pairs: of a solved and an unsolved run that are compared.
        auc: the share of these pairs in which the solved run has the larger score, a tie counting half.
        auc_low: the lower end of its 95 % interval.
        auc_high: the upper end.
        rank_correlation: of the score with being solved (1) or not (0), after Spearman.
        rank_low: the lower end of its 95 % interval.
        rank_high: the upper end.
        time_correlation: of the score with the time to solve, after Spearman, all unsolved runs being tied at the end;
            negative where larger scores go with shorter times.
        time_low: the lower end of its 95 % interval.
        time_high: the upper end.
        left_out: why runs are not among them -> how many.

    """

    score: str
    when: str
    step: int
    among: str
    runs: int
    solved: int
    pairs: int
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    rank_correlation: float | None
    rank_low: float | None
    rank_high: float | None
    time_correlation: float | None
    time_low: float | None
    time_high: float | None
    left_out: Mapping[str, int]


@dataclass(frozen=True)
class _Case:
    """A run with an outcome."""

    setting: Hashable
    lag: Hashable  # T and task
    seed: Any
    solved: float | None  # at this step
    sequences: float | None  # seen until then
    ended: float  # at this step
    start: float | None  # early gradient at initialisation
    later: tuple[int, float] | None  # step and early gradient
    path: float | None  # T · log10 σ(forget bias)

    @property
    def over(self) -> bool:
        """Whether the outcome is known at the later measurement."""
        step = LATER if self.later is None else self.later[0]
        return min(self.ended, math.inf if self.solved is None else self.solved) <= step


@dataclass(frozen=True)
class _View:
    """Scores of some of the runs at some moment."""

    score: str
    when: str
    step: int
    cases: Sequence[_Case]
    values: Sequence[float]
    left_out: Mapping[str, int]


def predictions(runs: Sequence[RunCurves], resamples: int = 2000) -> list[Prediction]:
    """Return how well the early gradient predicts which runs are solved.

    It is taken at initialisation, and at the first measurement from step 50 on. Runs whose outcome is known by then,
    because they were solved or had ended, are left out of the later one: what has happened is not predicted. It is the
    easy runs that go that way, so the gradient at initialisation is also given for those that are left: the two can be
    compared.

    The intervals come from a bootstrap over settings and one over seeds, and span both.

    Args:
        runs: the runs, in whatever state.
        resamples: of the bootstrap.

    Returns:
        A prediction for each score and moment and each choice of runs to compare; none for a choice that would be the
        same as a wider one, or in which there are no two runs to compare.

    """
    cases, left_out = _cases(runs)
    found = [
        _prediction(view, among, resamples)
        for view in _views(cases, left_out)
        for among in _choices(view.cases)
        if view.score != DIRECT_PATH or among != SAME_SETTING  # where all have the same direct path
    ]
    return [one for one in found if one.among == ALL or one.pairs or one.time_correlation is not None]


def _cases(runs: Sequence[RunCurves]) -> tuple[list[_Case], Counter[str]]:
    """Return the runs that have an outcome, and why the others have none -> how many."""
    found, left_out = [], Counter[str]()
    settings = settings_of([run.record for run in runs])
    for run, setting in zip(runs, settings, strict=True):
        record = run.record
        if not counts(record):
            left_out["without a summary" if record.status.finished else record.status.state] += 1
            continue
        gradients = {step: _gradient(row.get("early_gradient")) for step, row in run.metrics.items()}
        later = min(((s, value) for s, value in gradients.items() if s >= LATER and value is not None), default=None)
        start = gradients.get(0)
        case = _Case(
            setting=setting,
            lag=(fact(record, "task"), fact(record, "T")),
            seed=fact(record, "seed"),
            solved=figure(record, "solved_step"),
            sequences=figure(record, "solved_sequences"),
            ended=figure(record, "steps") or record.status.step,
            start=_gradient(record.summary.get("early_gradient_init")) if start is None else start,
            later=later,
            path=_direct_path(number(fact(record, "T")), number(fact(record, "forget_bias"))),
        )
        found.append(case)
    return found, left_out


def _views(cases: Sequence[_Case], left_out: Counter[str]) -> list[_View]:
    """Return the scores at each moment, with the runs that have them."""
    late = [(case, *case.later) for case in cases if case.later is not None and not case.over]
    over = sum(case.over for case in cases)
    missing = len(cases) - over - len(late)
    known = left_out + Counter({"with an outcome known by then": over, "without an early gradient": missing})
    steps = sorted({step for _, step, _ in late}) or [LATER]
    when = f"after {steps[0]} steps" if len(steps) == 1 else f"after {steps[0]} to {steps[-1]} steps"
    views = [
        _view(EARLY_GRADIENT, AT_START, 0, [(case, case.start) for case in cases], left_out),
        _view(EARLY_GRADIENT, when, steps[-1], [(case, gradient) for case, _, gradient in late], known),
    ]
    if over and len({case.solved is None for case, *_ in late}) > 1:
        then = f"{AT_START}, of the runs still unsolved {when}"
        views.append(_view(EARLY_GRADIENT, then, 0, [(case, case.start) for case, *_ in late], known))
    paths = [(case, case.path) for case in cases if case.start is not None]
    if len({path for _, path in paths}) > 1 and all(path is not None for _, path in paths):
        views.append(replace(views[0], score=DIRECT_PATH, values=[path for _, path in paths if path is not None]))
    return [view for view in views if view.cases]


def _view(
    score: str, when: str, step: int, scored: Sequence[tuple[_Case, float | None]], left_out: Counter[str]
) -> _View:
    """Return a view of the cases that have a score, the others being left out and counted."""
    found = [(case, value) for case, value in scored if value is not None]
    reasons = left_out + Counter({"without an early gradient": len(scored) - len(found)})
    return _View(score, when, step, [case for case, _ in found], [value for _, value in found], dict(reasons))


def _choices(cases: Sequence[_Case]) -> list[str]:
    """Return the choices of runs to compare that differ, and in which there is something to compare."""
    settings, lags = {case.setting for case in cases}, {case.lag for case in cases}
    narrower = {
        SAME_T: 1 < len(lags) < len(cases),
        SAME_SETTING: max(1, len(lags)) < len(settings) < len(cases),
    }
    return [ALL, *(name for name, wanted in narrower.items() if wanted)]


def _prediction(view: _View, among: str, resamples: int) -> Prediction:
    cases = view.cases
    strata = {ALL: None, SAME_T: [case.lag for case in cases], SAME_SETTING: [case.setting for case in cases]}[among]
    bootstrap = Bootstrap([[case.setting for case in cases], [case.seed for case in cases]], resamples)
    solved = [case.solved is not None for case in cases]
    area = auc(view.values, solved, bootstrap, strata)
    rank = rank_correlation(view.values, solved, bootstrap, strata)
    time = rank_correlation(view.values, _times(cases), bootstrap, strata)
    return Prediction(
        score=view.score, when=view.when, step=view.step, among=among,
        runs=len(cases), solved=sum(solved), pairs=pairs_of(solved, strata),
        auc=area.value, auc_low=area.low, auc_high=area.high,
        rank_correlation=rank.value, rank_low=rank.low, rank_high=rank.high,
        time_correlation=time.value, time_low=time.low, time_high=time.high,
        left_out=view.left_out,
    )  # fmt: skip


def _times(cases: Sequence[_Case]) -> list[float]:
    """Return the time to solve: in training sequences, or in steps where a run does not say how many it saw."""
    sequences = [case.sequences for case in cases if case.solved is not None]
    by_step = None in sequences
    times = [case.solved if by_step else case.sequences for case in cases]
    return [math.inf if case.solved is None or time is None else time for case, time in zip(cases, times, strict=True)]


def _gradient(value: Any) -> float | None:
    """Return a value that can be a mean absolute gradient; ``None`` if it cannot."""
    found = number(value)
    return found if found is not None and 0 <= found < math.inf else None


def _direct_path(T: float | None, bias: float | None) -> float | None:
    """Return T · log10 σ(bias), for any bias."""
    if T is None or bias is None:
        return None
    return -T * (max(-bias, 0.0) + math.log1p(math.exp(-abs(bias)))) / math.log(10)


def told(found: Sequence[Prediction]) -> list[str]:
    """Return what the predictions say, in a few plain sentences."""
    by = {(prediction.score, prediction.when, prediction.among): prediction for prediction in found}
    whole = by.get((EARLY_GRADIENT, AT_START, ALL))
    if whole is None:
        return ["No run with an early gradient has ended yet, so there is nothing to predict."]
    if whole.auc is None:
        return [f"{_counted(whole)}: with one outcome only, nothing can be said about what predicts it."]
    said = [
        f"{_counted(whole)}. Of two runs, one solved and one not, the solved one had the larger early gradient at"
        f" initialisation {_often(whole)}: {_verdict(whole)}."
    ]
    by_T, by_seed = (by.get((EARLY_GRADIENT, AT_START, among)) for among in (SAME_T, SAME_SETTING))
    if by_T is not None:
        said.append(f"Among {SAME_T}, {_often(by_T)}: {_verdict(by_T)}.")
    if by_seed is not None:
        said.append(f"Among {SAME_SETTING}, which differ in the seed alone, {_often(by_seed)}: {_verdict(by_seed)}.")
        if (_verdict(whole), _verdict(by_seed)) == (_PREDICTS, _CHANCE):
            said.append("So it tells settings apart; between the seeds of one setting it shows nothing here.")
    later = next((one for one in found if one.when.startswith("after") and one.among == ALL), None)
    if later is not None:
        known = later.left_out.get("with an outcome known by then", 0)
        but = f", without the {known} whose outcome was known by then" if known else ""
        said.append(f"{later.when.capitalize()}{but}, among all runs, {_often(later)}: {_verdict(later)}.")
        seeds = by.get((EARLY_GRADIENT, later.when, SAME_SETTING))
        if seeds is not None and seeds.auc is not None:
            said.append(f"Then, among {SAME_SETTING}, {_often(seeds)}: {_verdict(seeds)}.")
    path = by.get((DIRECT_PATH, AT_START, ALL))
    if path is not None:
        said.append(f"T · log10 σ(forget bias), known before anything runs, would have it right {_often(path)}.")
    return said


def _counted(of: Prediction) -> str:
    return f"Of {of.runs} runs with an outcome, {of.solved} were solved"


def _often(of: Prediction) -> str:
    if of.auc is None:
        return "there is no pair of a solved and an unsolved run to compare"
    interval = "no interval" if of.auc_low is None else f"95 % interval {of.auc_low:.2f} to {of.auc_high:.2f}"
    return f"in {100 * of.auc:.0f} % of {of.pairs:,} pairs (AUC {of.auc:.2f}, {interval})"


def _verdict(of: Prediction) -> str:
    """Return what the interval says about a score that might be no better than chance."""
    if of.auc is None:
        return "so nothing is known"
    if of.auc_low is None or of.auc_high is None:
        return "too few runs, or too perfect an order, for an interval"
    if of.auc_low > 0.5:
        return _PREDICTS
    return "it predicts failure" if of.auc_high < 0.5 else _CHANCE
