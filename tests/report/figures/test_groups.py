from made import run

from longlag.report.figures.groups import groups_of, rank, shown, subject_of


def test_runs_that_differ_in_the_seed_alone_are_one_group_in_order():
    runs = [
        run(T=T, bias=bias, seed=seed) for seed in (1, 0) for T in (100, 20) for bias in (3.0, "chrono", None, -1.0)
    ]
    groups = groups_of(runs)
    assert [(g.T, g.bias, len(g.runs)) for g in groups] == [
        (T, bias, 2) for T in (20, 100) for bias in (-1.0, 3.0, "chrono", None)
    ]
    assert {group.name for group in groups} == {""}
    assert subject_of(runs) == "lstm, delayed_xor"


def test_a_name_holds_what_tells_groups_apart_and_nothing_else():
    runs = [run(cell=cell, lr=lr) for cell in ("gru", "lstm") for lr in (0.1, 0.2)]
    assert [group.name for group in groups_of(runs)] == ["gru, lr 0.1", "gru, lr 0.2", "lstm, lr 0.1", "lstm, lr 0.2"]
    assert subject_of(runs) == "delayed_xor"


def test_what_follows_from_the_lag_is_in_no_name():
    runs = [run(T=T, lr=T / 1000, seed=seed) for T in (20, 60) for seed in (0, 1)]
    assert [(group.name, group.T, len(group.runs)) for group in groups_of(runs)] == [("", 20, 2), ("", 60, 2)]


def test_only_runs_with_an_outcome_are_trials():
    states = ("solved", "solved", "done", "diverged", "running", "failed", "interrupted")
    steps = (60, 80, None, None, None, None, 40)
    (group,) = groups_of([run(seed=k, state=s, solved=n) for k, (s, n) in enumerate(zip(states, steps, strict=True))])
    assert (group.trials, group.times, group.median_time, group.longest) == (4, [60, 80], None, 600)


def test_numbers_come_before_names_and_names_before_nothing():
    values = [None, "chrono", 10, -1.0, 2]
    assert sorted(values, key=rank) == [-1.0, 2, 10, "chrono", None]
    assert [shown(value) for value in values] == ["none", "chrono", "10", "−1", "2"]
