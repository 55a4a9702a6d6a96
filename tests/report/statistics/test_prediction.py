import dataclasses
import itertools
import math
import random

import pytest
from scipy import stats
from studies import make_study

from longlag.report.curves import RunCurves, read_curves
from longlag.report.statistics.association import Bootstrap, auc
from longlag.report.statistics.prediction import (
    ALL,
    AT_START,
    DIRECT_PATH,
    EARLY_GRADIENT,
    SAME_SETTING,
    SAME_T,
    predictions,
    sentences,
)
from longlag.runs import RunFolder, RunRecord, Status, read_study

FEW = 50  # resamples, where the interval is not looked at


def run(gradients, solved=None, T=60, bias=1.0, seed=0, state=None, steps=600, cell="lstm", **summary):
    """A run with early gradients at some steps, solved at a step or not at all."""
    figures = {"solved_step": solved, "solved_sequences": solved and 256 * solved, "steps": solved or steps, **summary}
    facts = {"cell": cell, "task": "delayed_xor", "T": T, "forget_bias": bias, "seed": seed}
    state = state or ("done" if solved is None else "solved")
    config = {"run": facts, "cell": {"forget_bias": bias}, "task": {"T": T}, "seed": seed}
    metrics = {step: {"early_gradient": value} for step, value in gradients.items()}
    return RunCurves(
        RunRecord(RunFolder(None), config, Status(state), figures if state != "running" else {}), metrics, {}
    )


def study(seed, settings=((60, 0.0), (60, 1.0), (100, 0.0), (100, 3.0)), seeds=6):
    """Runs in which the gradient says something, but not all."""
    draw, runs = random.Random(seed), []
    for (T, bias), number in itertools.product(settings, range(seeds)):
        early = draw.gauss(bias - T / 50, 1)
        solved = draw.choice([80, 100, 200]) if early + draw.gauss(0, 1) > 0 else None
        runs.append(run({0: 10**early, 40: 1e-3, 60: 10 ** (early / 2 + draw.gauss(0, 1))}, solved, T, bias, number))
    return runs


def one(found, among, when=AT_START, score=EARLY_GRADIENT):
    (prediction,) = [p for p in found if (p.score, p.when, p.among) == (score, when, among)]
    return prediction


def by_hand(runs, step, comparable):
    """Count all pairs of a solved and an unsolved run, one by one."""
    right = pairs = 0.0
    for a, b in itertools.product(runs, repeat=2):
        if a.record.status.state == "solved" and b.record.status.state == "done" and comparable(a, b):
            x, y = (r.metrics[step]["early_gradient"] for r in (a, b))
            right, pairs = right + (x > y) + (x == y) / 2, pairs + 1
    return right / pairs, pairs


def facts(curves, *names):
    return [curves.record.config["run"][name] for name in names]


COMPARABLE = {
    ALL: lambda a, b: True,
    SAME_T: lambda a, b: facts(a, "T") == facts(b, "T"),
    SAME_SETTING: lambda a, b: facts(a, "T", "forget_bias") == facts(b, "T", "forget_bias"),
}


@pytest.mark.parametrize("among", COMPARABLE)
@pytest.mark.parametrize("seed", range(3))
def test_every_pair_is_counted_once(seed, among):
    runs = study(seed)
    found = predictions(runs, FEW)
    for when, step in ((AT_START, 0), ("after 60 steps", 60)):
        prediction = one(found, among, when)
        expected, pairs = by_hand(runs, step, COMPARABLE[among])
        assert (prediction.auc, prediction.pairs) == (pytest.approx(expected, abs=1e-12), pairs)
        assert (prediction.step, prediction.runs) == (step, len(runs))
        assert prediction.solved == sum(r.record.status.state == "solved" for r in runs)


def test_the_rank_correlations_are_those_of_scipy():
    runs = study(5)
    prediction = one(predictions(runs, FEW), ALL)
    gradients = [r.metrics[0]["early_gradient"] for r in runs]
    solved = [r.record.status.state == "solved" for r in runs]
    times = [r.record.summary["solved_step"] or 10**6 for r in runs]
    assert prediction.rank_correlation == pytest.approx(stats.spearmanr(gradients, solved).statistic, abs=1e-12)
    assert prediction.time_correlation == pytest.approx(stats.spearmanr(gradients, times).statistic, abs=1e-12)


def test_the_interval_spans_settings_and_seeds():
    runs = study(4)
    prediction = one(predictions(runs, 200), SAME_T)
    settings, seeds, lags = ([facts(r, *names) for r in runs] for names in (("T", "forget_bias"), ("seed",), ("T",)))
    settings, seeds, lags = ([tuple(labels) for labels in factor] for factor in (settings, seeds, lags))
    gradients, solved = (
        [r.metrics[0]["early_gradient"] for r in runs],
        [r.record.status.state == "solved" for r in runs],
    )
    expected = auc(gradients, solved, Bootstrap([settings, seeds], 200), lags)
    assert (prediction.auc_low, prediction.auc_high) == (expected.low, expected.high)
    assert expected.low is not None


def test_what_the_later_gradient_says_of_the_seeds_is_told():
    found = predictions(study(5))
    then = one(found, SAME_SETTING, "after 60 steps")
    said = f"Then, among runs of the same setting, in {100 * then.auc:.0f} % of {then.pairs} pairs"
    assert [said in sentence for sentence in sentences(found)].count(True) == 1
    verdict = "it predicts success" if then.auc_low > 0.5 else "this could be chance"
    assert next(sentence for sentence in sentences(found) if said in sentence).endswith(f"{verdict}.")


def test_time_is_counted_in_sequences():
    """The second run took fewer steps, of more sequences each."""
    runs = [run({0: 3.0}, 200, solved_sequences=1000), run({0: 2.0}, 100, solved_sequences=2000), run({0: 1.0})]
    assert one(predictions(runs, FEW), ALL).time_correlation == pytest.approx(-1, abs=1e-12)
    without = [*runs[:2], run({0: 2.5}, 150, solved_sequences=None)]
    assert one(predictions(without, FEW), ALL).time_correlation == pytest.approx(1, abs=1e-12), "then by the step"


@pytest.mark.parametrize(("sign", "expected"), [(1, 1.0), (-1, 0.0)])
def test_a_perfect_predictor_and_a_perfectly_wrong_one(sign, expected):
    runs = [run({0: 10.0 ** (sign * k)}, 100 if k > 5 else None, bias=float(k % 4), seed=k) for k in range(12)]
    prediction = one(predictions(runs, FEW), ALL)
    assert (prediction.auc, prediction.auc_low, prediction.auc_high) == (expected, None, None)


def test_what_is_independent_is_near_one_half_and_the_interval_holds_it():
    draw = random.Random(1)
    runs = [
        run({0: 10 ** draw.uniform(-9, 0)}, draw.choice([100, None]), T, bias, seed)
        for T in (20, 60, 100, 200) for bias in (-1.0, 0.0, 1.0, 3.0, 5.0) for seed in range(5)
    ]  # fmt: skip
    found = predictions(runs)
    for among in (ALL, SAME_T, SAME_SETTING):
        prediction = one(found, among)
        assert prediction.auc_low < 0.5 < prediction.auc_high
        assert abs(prediction.auc - 0.5) < 0.15  # 250 pairs or more of 100 runs: a standard error of 0.06
        assert prediction.rank_low < 0 < prediction.rank_high
        assert prediction.time_low < 0 < prediction.time_high
    assert one(found, ALL).auc_high - one(found, ALL).auc_low < 0.4


def test_what_predicts_between_settings_only_is_found_out():
    """The gradient is a function of the setting here, and within a setting it is noise."""
    draw, runs = random.Random(2), []
    for T, bias, seed in itertools.product((20, 60, 100, 200), (-1.0, 0.0, 1.0, 3.0, 5.0), range(10)):
        log = -T / 20 * math.log1p(math.exp(-bias)) + draw.gauss(0, 0.1)
        solved = 100 if draw.random() < 1 / (1 + math.exp(-2 - log)) else None
        runs.append(run({0: 10**log}, solved, T, bias, seed))
    found = predictions(runs)
    assert one(found, ALL).auc_low > 0.6
    assert one(found, SAME_T).auc_low > 0.5
    assert one(found, SAME_SETTING).auc_low < 0.5 < one(found, SAME_SETTING).auc_high
    text = " ".join(sentences(found))
    assert "it predicts success" in text
    assert "which differ in the seed alone" in text
    assert "So it orders settings" in text


def test_a_gradient_of_zero_comes_last_and_a_missing_one_is_left_out():
    runs = [run({0: 0.0}), run({0: 1e-300}, 100), run({60: 1.0}, 100), run({0: math.nan}), run({0: math.inf}), run({})]
    prediction = one(predictions(runs, FEW), ALL)
    assert (prediction.auc, prediction.runs, prediction.pairs) == (1.0, 2, 1)
    assert prediction.left_out == {"without an early gradient": 4}


def test_the_summary_serves_where_the_curve_is_lost():
    prediction = one(predictions([run({}, 100, early_gradient_init=1e-3), run({0: 1e-5})], FEW), ALL)
    assert (prediction.auc, prediction.left_out) == (1.0, {})


def test_runs_without_an_outcome_are_left_out_and_counted():
    runs = [
        run({0: 1.0}, 100), run({0: 0.1}), run({0: 0.01}, state="diverged"), run({0: 1.0}, state="running"),
        run({0: 1.0}, state="running"), run({0: 1.0}, state="failed"), run({0: 1.0}, state="interrupted"),
    ]  # fmt: skip
    lost = run({0: 1.0})
    runs.append(dataclasses.replace(lost, record=dataclasses.replace(lost.record, summary={})))
    prediction = one(predictions(runs, FEW), ALL)
    assert (prediction.runs, prediction.solved, prediction.auc) == (3, 1, 1.0), "one that diverged is not solved"
    assert prediction.left_out == {"running": 2, "failed": 1, "interrupted": 1, "without a summary": 1}


def test_what_is_known_already_is_not_predicted():
    easy = [run({0: 1.0, 40: 1.0}, 40), run({0: 1.0, 60: 1.0}, 60), run({0: 1e-9}, state="diverged", steps=10)]
    hard = [run({0: 1e-5, 60: 1e-2}, 200), run({0: 1e-4, 60: 1e-3}), run({0: 1e-4})]
    found = predictions([*easy, *hard], FEW)
    later = one(found, ALL, "after 60 steps")
    assert (later.runs, later.solved, later.auc, later.step) == (2, 1, 1.0, 60)
    assert later.left_out == {"with an outcome known by then": 3, "without an early gradient": 1}
    same = one(found, ALL, f"{AT_START}, of the runs still unsolved after 60 steps")
    assert (same.runs, same.solved, same.auc, same.step) == (2, 1, 0.0, 0)
    assert one(found, ALL).runs == 6
    assert "After 60 steps, without the 3 whose outcome was known by then" in " ".join(sentences(found))


def test_the_step_of_the_later_measurement_is_said():
    assert predictions([run({0: 1.0, 50: 1.0, 60: 2.0}), run({0: 1.0, 50: 1.0}, 90)], FEW)[-1].when == "after 50 steps"
    found = predictions([run({0: 1.0, 100: 1.0}), run({0: 1.0, 75: 2.0, 80: 1.0}, 90)], FEW)
    assert (found[-1].when, found[-1].step) == ("after 75 to 100 steps", 100)


def test_the_direct_path_is_compared_where_all_have_a_numeric_forget_bias():
    biases = (-800.0, -1.0, 0.0, 3.0, 800.0)
    runs = [run({0: 1.0}, 100 if bias > 0 else None, T, bias) for T in (20, 60) for bias in biases]
    found = predictions(runs, FEW)
    values = {(T, b): T * math.log10(1 / (1 + math.exp(-b))) if b > -700 else T * b for T in (20, 60) for b in biases}
    solved, unsolved = ([v for (_, b), v in values.items() if (b > 0) == wanted] for wanted in (True, False))
    expected = stats.mannwhitneyu(solved, unsolved).statistic / (len(solved) * len(unsolved))
    prediction = one(found, ALL, score=DIRECT_PATH)
    assert (prediction.auc, prediction.runs) == (pytest.approx(expected, abs=1e-12), 10)
    assert one(found, SAME_T, score=DIRECT_PATH).auc == 1.0
    for other in ("chrono", None):
        found = predictions([*runs, run({0: 1.0}, bias=other)], FEW)
        assert {p.score for p in found} == {EARLY_GRADIENT}


def test_choices_that_would_be_the_same_are_left_out():
    def choices(*settings, seeds=2):
        runs = [run({0: 1.0 + k}, k % 2 and 100, T, b, k) for T, b in settings for k in range(seeds)]
        return [p.among for p in predictions(runs, FEW) if p.score == EARLY_GRADIENT and p.when == AT_START]

    assert choices((60, 1.0)) == [ALL]
    assert choices((60, 1.0), (100, 1.0)) == [ALL, SAME_T]
    assert choices((60, 1.0), (60, 3.0)) == [ALL, SAME_SETTING]
    assert choices((60, 1.0), (60, 3.0), (100, 1.0)) == [ALL, SAME_T, SAME_SETTING]
    assert choices((60, 1.0), (60, 3.0), (100, 1.0), (100, 3.0), seeds=1) == [ALL]


def test_a_lag_is_another_one_in_another_task():
    runs = [run({0: 1.0}, 100), run({0: 2.0}), run({0: 0.1})]
    other = run({0: 1.5})
    config = {**other.record.config, "run": {**other.record.config["run"], "task": "adding"}}
    runs.append(dataclasses.replace(other, record=dataclasses.replace(other.record, config=config)))
    found = predictions(runs, FEW)
    assert (one(found, ALL).pairs, one(found, SAME_T).pairs) == (3, 2)


def test_one_outcome_only_and_no_run_at_all_are_said_as_such():
    assert predictions([]) == []
    assert sentences([]) == ["No run with an early gradient has ended yet, so there is nothing to predict."]
    assert predictions([run({0: 1.0}, state="running")]) == []
    (prediction,) = predictions([run({0: 1.0}, 100), run({0: 2.0}, 80)])
    assert (prediction.auc, prediction.rank_correlation, prediction.pairs) == (None, None, 0)
    assert prediction.time_correlation == pytest.approx(-1, abs=1e-12)
    assert sentences([prediction]) == [
        "Of 2 runs with an outcome, 2 were solved: all have the same outcome, so there is nothing to predict."
    ]


def test_a_study_from_its_folders(tmp_path):
    make_study(tmp_path / "made", lags=(20, 60, 100), biases=(-1.0, 0.0, 1.0, 3.0), seeds=range(5), flow=False)
    curves = read_curves(read_study(tmp_path / "made"))
    found = predictions(curves)
    whole = one(found, ALL)
    assert whole.runs == 60
    assert whole.auc == pytest.approx(by_hand(curves, 0, COMPARABLE[ALL])[0], abs=1e-12)
    assert 0.5 < whole.auc_low < whole.auc < whole.auc_high
    assert one(found, SAME_SETTING).auc == pytest.approx(by_hand(curves, 0, COMPARABLE[SAME_SETTING])[0], abs=1e-12)
    assert f"in {100 * whole.auc:.0f} % of {whole.pairs:,} pairs" in sentences(found)[0]
    assert f"95 % interval {whole.auc_low:.2f} to {whole.auc_high:.2f}" in sentences(found)[0]
