import itertools

import pytest
from scipy.stats import binom, binomtest

from longlag.horizon import Rule


@pytest.mark.parametrize(
    ("seeds", "rate", "needed"), [(10, 0.9, 9), (5, 0.9, 5), (20, 0.9, 18), (3, 0.5, 2), (10, 0.7, 7)]
)
def test_so_many_seeds_must_solve_a_lag(seeds, rate, needed):
    assert Rule(seeds, rate).needed == needed


@pytest.mark.parametrize("rule", [Rule(), Rule(5, 0.8), Rule(6, 0.5), Rule(4, 1.0), Rule(1)])
def test_a_curtailed_verdict_is_the_one_of_all_seeds(rule):
    """Every order of outcomes: the verdict comes as soon as it is decided and no sooner."""
    for outcomes in itertools.product((True, False), repeat=rule.seeds):
        final = "within" if sum(outcomes) >= rule.needed else "beyond"
        for k in range(rule.seeds + 1):
            solved, failed = sum(outcomes[:k]), k - sum(outcomes[:k])
            rest = rule.seeds - k
            decided = solved >= rule.needed or solved + rest < rule.needed
            assert rule.verdict(solved, failed) == (final if decided else None)


def test_the_error_rates_are_those_of_the_binomial_test():
    rule = Rule(10, 0.9)
    for share in (0.0, 0.3, 0.6, 0.9, 0.97, 1.0):
        assert rule.passes(share) == pytest.approx(binom.sf(8, 10, share), abs=1e-12)
    # Clopper and Pearson: a one-sided test at 5 % is an end of the two-sided interval at 90 %
    beyond = binomtest(9, 10).proportion_ci(0.9, "exact").low
    within = binomtest(8, 10).proportion_ci(0.9, "exact").high
    assert rule.surely_beyond == pytest.approx(beyond, abs=1e-6)
    assert rule.surely_within == pytest.approx(within, abs=1e-6)


@pytest.mark.parametrize(
    ("rule", "waves"), [(Rule(), (2, 5, 10)), (Rule(5), (1, 3, 5)), (Rule(4, 0.5), (3, 4)), (Rule(1), (1,))]
)
def test_the_first_wave_can_fail_a_lag_and_the_last_is_all_seeds(rule, waves):
    assert rule.waves == waves
    assert rule.verdict(0, rule.waves[0]) == "beyond"
    assert all(rule.verdict(0, failed) is None for failed in range(rule.waves[0]))


@pytest.mark.parametrize("wrong", [{"seeds": 0}, {"rate": 0.0}, {"rate": 1.1}, {"rate": float("nan")}])
def test_a_rule_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Rule(**wrong)
