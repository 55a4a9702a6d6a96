import pytest
import torch

from longlag.benchmark import bench as module
from longlag.benchmark.bench import Bench, Plan
from longlag.benchmark.contenders import CONTENDERS
from longlag.benchmark.contenders.engines import EagerContender, NativeContender
from longlag.benchmark.roofline import Rate
from longlag.benchmark.workload import Size
from longlag.cells import LSTMCell

SIZES = [(Size("lstm", H=3, B=2, T=4), LSTMCell), (Size("lstm", H=3, B=2, T=4, R=2), LSTMCell)]


def test_all_sizes_are_measured_and_told_of():
    told = []
    bench = Bench(Plan(SIZES, [NativeContender, EagerContender], rounds=2), lambda *what: told.append(what))
    assert bench.expected() > 0
    bench.run()
    assert [each.size for each in bench.measured] == [size for size, _ in SIZES]
    assert [len(entry.rounds) for each in bench.measured for entry in each.entries] == [2] * 4
    assert bench.rate.best > 0
    assert [(number, doing) for _, number, doing, _ in told] == [
        (number, doing)
        for number in (1, 2)
        for doing in ("drawing", "checking", "warming up", "round 1 of 2", "round 2 of 2")
    ]
    assert all(left > 0 for *_, left in told)


def test_what_is_expected_follows_from_a_trial_of_ten_steps(monkeypatch):
    """By hand: a call of 100 steps takes ten times that; three calls, then a warm-up and the rounds, with forward."""
    monkeypatch.setattr(module, "_tried", lambda kind, given: (5.0, 0.02))
    monkeypatch.setattr(Rate, "measure", lambda self: None)
    for rounds, R in ((3, 1), (12, 1), (12, 4)):
        bench = Bench(
            Plan([(Size("lstm", 8, 4, T=100, R=R), LSTMCell)], [EagerContender, NativeContender], rounds=rounds)
        )
        eager, native = (3 * each + (rounds + 1) * 1.4 * each for each in (0.2, 0.2 * R))
        reference = 2 * min(R, 2) * 0.2
        assert bench.expected() == pytest.approx(eager + native + reference, rel=1e-3)


def test_what_is_built_in_the_trial_is_said_of_the_first_size(monkeypatch):
    monkeypatch.setattr(module, "_tried", lambda kind, given: (5.0, 0.01))
    bench = Bench(Plan(SIZES, [NativeContender], rounds=1))
    bench.run()
    first, second = (each.entries[0].first_s for each in bench.measured)
    assert first == 5.0
    assert second != 5.0


def test_the_threads_are_those_of_the_plan_and_then_those_of_before(monkeypatch):
    seen = []
    monkeypatch.setattr(Rate, "measure", lambda self: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    Bench(Plan(SIZES[:1], [EagerContender], rounds=2, threads=before + 1)).run()
    assert set(seen) == {before + 1}
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("at", range(1, 5))
def test_ctrl_c_keeps_what_was_measured(monkeypatch, at):
    """It comes while the machine's rate is measured for the at-th time at the second size."""
    calls = []

    def measure(self):
        calls.append(None)
        if len(bench.measured) == 2 and calls.count(None) - first == at:
            raise KeyboardInterrupt

    def tell(size, number, doing, left):
        nonlocal first
        if number == 2 and doing == "checking":
            first = len(calls)

    first = 0
    monkeypatch.setattr(Rate, "measure", measure)
    bench = Bench(Plan(SIZES, [EagerContender], rounds=3), tell)
    with pytest.raises(KeyboardInterrupt):
        bench.run()
    assert bench.done == 1
    whole, part = (each.entries[0] for each in bench.measured)
    assert len(whole.rounds) == 3
    # the warm-up, then a round in which the rate comes last, one in which it comes first, and one in which it is last
    assert len(part.rounds) == {1: 0, 2: 1, 3: 1, 4: 3}[at]


def test_the_names_of_the_contenders_are_their_own():
    names = [kind.name for kind in CONTENDERS]
    assert len(set(names)) == len(names)
    assert all(kind.__doc__ for kind in CONTENDERS)
