"""10,000 artificial searches: whether the error rates are those that are stated."""

import math
from functools import cache

import numpy as np
import pytest

from longlag.horizon import CREDIBILITY, ERROR, Horizon, LagGrid, Rule, credible_interval, next_step
from longlag.horizon.interval import intervals

SEARCHES = 10_000
GRID, RULE = LagGrid(10, most=20_000), Rule()


def logistic(horizon, slope):
    """A rate that falls from 1 to 0 and is 0.9 at the horizon; slope in logits to a doubling."""
    return lambda T: 1 / (1 + math.exp(slope * math.log2(T / horizon) - math.log(9)))


def cliff(horizon, slope):
    """A rate of 1 up to the horizon, and of a half beyond: no curve of the model."""
    return lambda T: 1.0 if horizon >= T else 0.5


def searches(curve, draw, count):
    """Return what artificial searches have counted: a mapping of lags to (solved, not solved) each."""
    rate = cache(curve)
    everything = []
    for _ in range(count):
        counts, verdicts = {}, {}
        while (T := next_step(GRID, verdicts).next_lag) is not None:
            solved = failed = 0
            for wave in RULE.waves:
                won = int(draw.binomial(wave - solved - failed, rate(T)))
                solved, failed = solved + won, wave - solved - won
                if (verdict := RULE.verdict(solved, failed)) is not None:
                    break
            counts[T], verdicts[T] = (solved, failed), verdict
        everything.append((counts, verdicts))
    return everything


def covered(counts, horizon):
    """Return the share of searches whose interval holds the true horizon."""
    lags = np.array(sorted({T for each in counts for T in each}), dtype=float)
    table = np.array([[each.get(int(T), (0, 0)) for T in lags] for each in counts], dtype=float)
    ends = np.concatenate(
        [intervals(lags, part[..., 0], part[..., 1], RULE.rate) for part in np.array_split(table, 40)]
    )
    return np.mean((ends[:, 0] <= horizon) & (horizon <= ends[:, 1]))


@pytest.mark.slow
def test_ten_thousand_searches_keep_the_stated_error_rates():
    draw = np.random.default_rng(7)
    shapes = [
        (curve, horizon, slope) for curve in (logistic, cliff) for horizon in (37, 150) for slope in (3, 6, 12, 25)
    ]
    tests = {"within": [0, 0], "beyond": [0, 0]}  # verdict -> tests of lags where it is wrong, and how often it fell
    too_long = too_short = 0
    coverage = []
    for shape, horizon, slope in shapes:
        curve = shape(horizon, slope)
        found = searches(curve, draw, SEARCHES // len(shapes))
        surely = {T for _, verdicts in found for T in verdicts if curve(T) >= RULE.surely_within}
        never = {T for _, verdicts in found for T in verdicts if curve(T) <= RULE.surely_beyond}
        for _, verdicts in found:
            for T, verdict in verdicts.items():
                for wrong, lags in (("beyond", surely), ("within", never)):
                    tests[wrong][0] += T in lags
                    tests[wrong][1] += T in lags and verdict == wrong
            end = next_step(GRID, verdicts).within or 0
            too_long += end in never
            too_short += any(end < T for T in surely & set(verdicts))
        if shape is logistic:
            coverage.append(covered([counts for counts, _ in found], horizon))
    for count, wrong in tests.values():  # each test: at most 5 %, and 3 standard errors of so many tests
        assert wrong / count <= ERROR + 3 * math.sqrt(ERROR * (1 - ERROR) / count)
    bisections = math.ceil(math.log2(GRID.per_doubling))
    assert too_long / SEARCHES <= ERROR * (1 + bisections)  # one doubling and two bisections can go wrong upwards
    assert too_short / SEARCHES <= ERROR * (1 + bisections)
    # The interval of 90 %, over the shapes of its model; 3 standard errors of 5,000 searches are 1.3 %.
    assert np.mean(coverage) >= CREDIBILITY - 0.013
    assert min(coverage) >= CREDIBILITY - 0.036  # of each shape alone: 3 standard errors of 625 searches


def test_an_interval_by_hand():
    """Counts without doubt: 10 of 10 up to 80, 0 of 10 from 160; the horizon is between, and no end is open."""
    grid = LagGrid(10, per_doubling=1)
    counts = {10: (10, 0), 20: (10, 0), 40: (10, 0), 80: (10, 0), 160: (0, 10)}
    found = Horizon.of(grid, RULE, counts)
    assert (found.within, found.beyond, found.text) == (80, 160, "80")
    assert 40 < found.low <= 80 < found.high < 160


def test_more_seeds_make_the_interval_narrower():
    widths = []
    for n in (1, 4, 16):
        low, high = credible_interval({10: (20 * n, 0), 20: (19 * n, n), 40: (10 * n, 10 * n), 80: (n, 19 * n)}, 0.9)
        widths.append(high / low)
    assert widths[0] > widths[1] > widths[2] > 1


def test_open_ends_have_no_number():
    grid = LagGrid(10, most=20)
    never = Horizon.of(LagGrid(10, least=10), RULE, {10: (0, 2)})
    assert (never.within, never.low, never.text) == (None, None, "<10")
    assert never.interval_text.startswith("<10–")
    ever = Horizon.of(grid, RULE, {10: (10, 0), 20: (10, 0)})
    assert (ever.within, ever.high, ever.text) == (20, None, "≥20")
    assert ever.interval_text.endswith("–>20")


def test_a_search_that_goes_on_has_no_result():
    with pytest.raises(ValueError, match="T=20 is next"):
        Horizon.of(LagGrid(10), RULE, {10: (10, 0)})


def test_the_curve_has_the_intervals_of_wilson():
    found = Horizon.of(LagGrid(10, per_doubling=1), RULE, {10: (9, 1), 20: (3, 2)})
    first, second = found.to_dict()["curve"]
    assert (first["T"], first["solved"], first["trials"], first["verdict"]) == (10, 9, 10, "within")
    assert (second["rate"], second["verdict"]) == (0.6, "beyond")
    assert (first["rate_low"], first["rate_high"]) == pytest.approx(
        (0.5958, 0.9821), abs=1e-4
    )  # Newcombe 1998's formula
