import dataclasses

import pytest
from made import run

from longlag.report.records import counts, fact, figure, number, settings_of


def test_runs_of_one_setting_differ_in_the_seed_alone():
    records = [
        run(seed=seed, lr=lr, bias=bias).record for bias in (1.0, "chrono") for lr in (0.1, 0.2) for seed in (0, 1)
    ]
    found = settings_of(records)
    assert len(set(found)) == 4
    assert found[0] == found[1] == ("lstm", "delayed_xor", 60, 1.0, 0.1)
    assert found[-1] == ("lstm", "delayed_xor", 60, "chrono", 0.2)


@pytest.mark.parametrize(
    ("state", "expected"),
    [(s, True) for s in ("solved", "done", "diverged")]
    + [(s, False) for s in ("running", "failed", "interrupted", "paused")],
)
def test_a_run_counts_that_has_ended_with_an_outcome(state, expected):
    record = run(state=state).record
    assert counts(record) == expected
    assert not counts(dataclasses.replace(record, summary={})), "nor one whose summary is lost"


def test_what_is_no_number_is_none():
    assert [number(value) for value in (1, 0.5, True, "1", None, [1])] == [1.0, 0.5, None, None, None, None]
    record = dataclasses.replace(run().record, summary={"steps": 3, "solved_step": "soon"})
    assert (figure(record, "steps"), figure(record, "solved_step"), figure(record, "other")) == (3.0, None, None)


def test_a_fact_of_any_kind_can_be_compared():
    record = run(bias=[1, 2]).record
    assert (fact(record, "cell"), fact(record, "forget_bias"), fact(record, "colour")) == ("lstm", "[1, 2]", None)
    assert len(set(settings_of([record, run(bias=[1, 3]).record]))) == 2
