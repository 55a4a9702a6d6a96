import math
from collections import Counter

import pytest
from wrong_contenders import Breaking, NoNumber, Right, Unbuilt, Wrong, WrongInTheLastRun

from longlag.benchmark import measure as module
from longlag.benchmark.contenders.engines import EagerContender, NativeContender, ScanContender, TorchModulesContender
from longlag.benchmark.measure import Race
from longlag.benchmark.roofline import Rate
from longlag.benchmark.workload import Size, Workload
from longlag.cells import LSTMCell


def given(R=1, T=3):
    return Workload(Size("lstm", H=3, B=2, T=T, R=R), LSTMCell)


def by_name(race):
    return {entry.name: entry for entry in race.measured.entries}


def whole(kinds, rounds=2, **size):
    race = Race(given(**size), kinds, Rate())
    race.check()
    race.warm_up()
    for number in range(rounds):
        race.round(number)
    return race


def test_all_are_checked_and_then_timed():
    race = whole([NativeContender, EagerContender, TorchModulesContender, ScanContender])
    assert [entry.name for entry in race.measured.entries] == ["native", "eager", "torch"]
    assert race.measured.absent == {"scan": "runs the cells that are linear in their state"}
    assert race.measured.gates == 4
    for entry in race.measured.entries:
        assert (entry.state, entry.why, len(entry.rounds)) == ("right", "", 2)
        assert 0 < entry.error < 1e-5
        assert entry.first_s > 0
        assert all(0 < each < 1e6 for timed in entry.rounds for each in (timed.both, timed.forward))
        assert all(0 <= timed.cores < 8 for timed in entry.rounds)


@pytest.mark.parametrize("kind", [Wrong, NoNumber, WrongInTheLastRun])
def test_one_with_a_wrong_gradient_is_not_timed(kind, monkeypatch):
    monkeypatch.setattr(kind, "calls", 0)
    race = whole([kind, EagerContender], R=2)
    entry = by_name(race)[kind.name]
    assert (entry.state, entry.rounds) == ("wrong", [])
    assert entry.error == pytest.approx(1e-3, rel=0.01) or (kind is NoNumber and math.isnan(entry.error))
    assert "its gradient is off by" in entry.why
    assert kind.calls == 3  # the first call, and one for each of the two runs that are looked at
    assert len(by_name(race)["eager"].rounds) == 2


def test_one_that_fails_fails_alone():
    race = whole([Breaking, Unbuilt, EagerContender])
    entry = by_name(race)["breaking"]
    assert (entry.state, entry.why, entry.rounds) == ("failed", "RuntimeError: it broke", [])
    assert race.measured.absent == {"unbuilt": "there is no compiler"}
    assert len(by_name(race)["eager"].rounds) == 2


def traced(name, log):
    """The eager loop, which writes its name down whenever it is run."""

    class Traced(Right):
        def last(self, run):
            log.append(name)
            return super().last(run)

    return Traced


def test_another_one_begins_in_every_round(monkeypatch):
    log = []
    rate = Rate()
    monkeypatch.setattr(rate, "measure", lambda: log.append("rate"))
    race = Race(given(), [traced(name, log) for name in "abc"], rate)
    race.check()
    race.warm_up()
    orders = []
    for number in range(5):
        log.clear()
        race.round(number)
        orders.append("".join(dict.fromkeys(each[0] for each in log)))
    assert orders == ["abcr", "bcra", "crab", "rabc", "abcr"]


def test_a_measurement_takes_one_run_after_the_other(monkeypatch):
    log = []

    class Traced(Right):
        def forward(self, run):
            log.append(run)
            return super().forward(run)

    race = Race(given(R=3, T=50), [Traced], Rate())
    race.check()
    race.warm_up()
    (entry,) = race.measured.entries
    entry.calls = (1, 2)
    log.clear()
    for number in range(3):
        race.round(number)
    assert log == [0, 1, 2, 0, 1, 2]


def test_the_time_is_that_of_a_step_and_a_run(monkeypatch):
    """A clock that goes on by a second whenever it is read: a measurement takes one second."""
    ticks = iter(range(10**6))
    race = Race(given(R=2, T=4), [NativeContender, EagerContender], Rate())
    race.check()
    race.warm_up()
    for entry in race.measured.entries:
        entry.calls = (5, 1)
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(ticks)))
    race.round(0)
    found = by_name(race)
    assert found["eager"].rounds[0].both == pytest.approx(1e6 / 5 / 4)
    assert found["eager"].rounds[0].forward == pytest.approx(1e6 / 4)
    assert found["native"].rounds[0].both == pytest.approx(1e6 / 5 / 4 / 2)  # two runs in a call


def test_a_short_call_is_made_often_enough():
    race = whole([NativeContender], rounds=1)
    assert all(calls > 1 for calls in race.measured.entries[0].calls)


def test_too_large_a_size_is_not_tried(monkeypatch):
    monkeypatch.setattr("longlag.benchmark.free_memory.free", lambda device: 10**10)
    calls = Counter()
    monkeypatch.setattr(Workload, "reference", lambda self, run: calls.update("r"))
    race = Race(given(), [NativeContender, EagerContender], Rate())
    object.__setattr__(race._workload, "size", Size("lstm", H=1024, B=1024, T=1000))
    race.check()
    assert race.measured.entries == []
    why = "lstm H=1024 B=1024 T=1000 R=1 wants about 84 GB of memory, and 10 GB are free"
    assert race.measured.absent == {"native": why, "eager": why}
    assert not calls
