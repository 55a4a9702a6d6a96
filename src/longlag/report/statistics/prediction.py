"""Does the early gradient predict success? Compare the gradients of the runs with their outcomes."""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from longlag.report.curves import RunCurves
from longlag.report.records import counts, fact, figure, number, settings_of
from longlag.report.statistics.association import Bootstrap, auc, pairs_of, rank_correlation

EARLY_GRADIENT, DIRECT_PATH = "early gradient", "direct path"
AT_START = "at initialisation"
ALL, SAME_T, SAME_SETTING = "all runs", "runs of the same T", "runs of the same setting"
#: The later score is the first one that was measured at this step or after it.
LATER = 50
_PREDICTS, _CHANCE = "it predicts success", "this could be chance"


@dataclass(frozen=True)
class Prediction:
    """How well a score of runs, measured at some step, orders their outcomes.

    Only the order of the scores counts, so a gradient and its logarithm give the same result; a gradient of exactly 0
    comes last. A run that diverged counts as not solved. An interval or a figure may be ``None``, see
    :mod:`longlag.report.statistics.association`.

    Args:
        score: ``early gradient``, or for comparison ``direct path``: T · log10 σ(forget bias), known before any run.
        when: the time of the measurement, in words: ``at initialisation``, ``after 60 steps``, or ``at initialisation,
            of the runs still unsolved after 60 steps``.
        step: the optimizer step of the measurement; the last one, where runs were measured at different steps.
        among: which runs are compared with each other: ``all runs``, ``runs of the same T`` (and the same task, as T
            means something else in each), or ``runs of the same setting``, which differ in the seed alone.
        runs: the number of runs.
        solved: the number of solved runs.
        pairs: the number of pairs of a solved and an unsolved run.
        auc: the share of these pairs in which the solved run has the larger score; a tie counts half.
        auc_low: the lower end of its 95 % interval.
        auc_high: the upper end.
        rank_correlation: of the score with being solved (1) or not (0), after Spearman.
        rank_low: the lower end of its 95 % interval.
        rank_high: the upper end.
        time_correlation: of the score with the time to solve, after Spearman, with all unsolved runs tied at the end;
            negative where larger scores go with shorter times.
        time_low: the lower end of its 95 % interval.
        time_high: the upper end.
        left_out: reason -> the number of runs that are left out for it.

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
    solved: float | None  # step
    sequences: float | None  # training sequences until the run was solved
    ended: float  # step
    start: float | None  # early gradient at initialisation
    later: tuple[int, float] | None  # step and early gradient
    path: float | None  # T · log10 σ(forget bias)

    @property
    def over(self) -> bool:
        """Whether the outcome is known before the later measurement."""
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

    The gradient is measured at initialisation, and at the first measurement from step 50 on. The later measurement
    leaves out the runs whose outcome is known by then, because they were solved or had ended. These are the easy runs.
    So the gradient at initialisation is also given for the remaining runs: the two can be compared.

    The intervals span those of a bootstrap over settings and of a bootstrap over seeds.

    Args:
        runs: the runs, in whatever state.
        resamples: the number of resamples of the bootstrap.

    Returns:
        A prediction for each score, each time and each choice of runs to compare. A choice that equals a wider one, or
        in which there are no two runs to compare, has no prediction.

    """
    cases, left_out = _cases(runs)
    made = [
        _prediction(view, among, resamples)
        for view in _views(cases, left_out)
        for among in _choices(view.cases)
        if view.score != DIRECT_PATH or among != SAME_SETTING  # runs of one setting have the same direct path
    ]
    return [one for one in made if one.among == ALL or one.pairs or one.time_correlation is not None]


def _cases(runs: Sequence[RunCurves]) -> tuple[list[_Case], Counter[str]]:
    """Return the runs that have an outcome; and for the others, reason -> number."""
    cases, left_out = [], Counter[str]()
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
        cases.append(case)
    return cases, left_out


def _views(cases: Sequence[_Case], left_out: Counter[str]) -> list[_View]:
    """Return the scores of each measurement, with the runs that have them."""
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
    """Return a view of the cases that have a score; the others are counted as left out."""
    known = [(case, value) for case, value in scored if value is not None]
    reasons = left_out + Counter({"without an early gradient": len(scored) - len(known)})
    return _View(score, when, step, [case for case, _ in known], [value for _, value in known], dict(reasons))


def _choices(cases: Sequence[_Case]) -> list[str]:
    """Return the choices of runs to compare that differ and have runs to compare."""
    settings, lags = {case.setting for case in cases}, {case.lag for case in cases}
    narrower = {
        SAME_T: 1 < len(lags) < len(cases),
        SAME_SETTING: max(1, len(lags)) < len(settings) < len(cases),
    }
    return [ALL, *(name for name, differs in narrower.items() if differs)]


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
    """Return the time to solve: in training sequences, or in steps where a run did not record them."""
    sequences = [case.sequences for case in cases if case.solved is not None]
    by_step = None in sequences
    times = [case.solved if by_step else case.sequences for case in cases]
    return [math.inf if case.solved is None or time is None else time for case, time in zip(cases, times, strict=True)]


def _gradient(value: Any) -> float | None:
    """Return a value as a gradient; ``None`` if the value is negative, not finite or no number."""
    gradient = number(value)
    return gradient if gradient is not None and 0 <= gradient < math.inf else None


def _direct_path(T: float | None, bias: float | None) -> float | None:
    """Return T · log10 σ(bias), for any bias."""
    if T is None or bias is None:
        return None
    return -T * (max(-bias, 0.0) + math.log1p(math.exp(-abs(bias)))) / math.log(10)


def sentences(made: Sequence[Prediction]) -> list[str]:
    """Return the predictions in a few plain sentences."""
    by = {(prediction.score, prediction.when, prediction.among): prediction for prediction in made}
    whole = by.get((EARLY_GRADIENT, AT_START, ALL))
    if whole is None:
        return ["No run with an early gradient has ended yet, so there is nothing to predict."]
    if whole.auc is None:
        return [f"{_counted(whole)}: all have the same outcome, so there is nothing to predict."]
    lines = [
        f"{_counted(whole)}. Of two runs, one solved and one not, the solved one had the larger early gradient at"
        f" initialisation {_often(whole)}: {_verdict(whole)}."
    ]
    by_T, by_seed = (by.get((EARLY_GRADIENT, AT_START, among)) for among in (SAME_T, SAME_SETTING))
    if by_T is not None:
        lines.append(f"Among {SAME_T}, {_often(by_T)}: {_verdict(by_T)}.")
    if by_seed is not None:
        lines.append(f"Among {SAME_SETTING}, which differ in the seed alone, {_often(by_seed)}: {_verdict(by_seed)}.")
        if (_verdict(whole), _verdict(by_seed)) == (_PREDICTS, _CHANCE):
            lines.append("So it orders settings; between the seeds of one setting it shows nothing here.")
    later = next((one for one in made if one.when.startswith("after") and one.among == ALL), None)
    if later is not None:
        known = later.left_out.get("with an outcome known by then", 0)
        but = f", without the {known} whose outcome was known by then" if known else ""
        lines.append(f"{later.when.capitalize()}{but}, among all runs, {_often(later)}: {_verdict(later)}.")
        seeds = by.get((EARLY_GRADIENT, later.when, SAME_SETTING))
        if seeds is not None and seeds.auc is not None:
            lines.append(f"Then, among {SAME_SETTING}, {_often(seeds)}: {_verdict(seeds)}.")
    path = by.get((DIRECT_PATH, AT_START, ALL))
    if path is not None:
        lines.append(f"T · log10 σ(forget bias), known before anything runs, would have it right {_often(path)}.")
    return lines


def _counted(of: Prediction) -> str:
    return f"Of {of.runs} runs with an outcome, {of.solved} were solved"


def _often(of: Prediction) -> str:
    if of.auc is None:
        return "there is no pair of a solved and an unsolved run to compare"
    interval = "no interval" if of.auc_low is None else f"95 % interval {of.auc_low:.2f} to {of.auc_high:.2f}"
    return f"in {100 * of.auc:.0f} % of {of.pairs:,} pairs (AUC {of.auc:.2f}, {interval})"


def _verdict(of: Prediction) -> str:
    """Return whether the interval of the AUC excludes chance, in words."""
    if of.auc is None:
        return "so nothing is known"
    if of.auc_low is None or of.auc_high is None:
        return "too few runs, or too perfect an order, for an interval"
    if of.auc_low > 0.5:
        return _PREDICTS
    return "it predicts failure" if of.auc_high < 0.5 else _CHANCE
