import pytest
from longlag.tasks.adding import Adding
from longlag.tasks.delayed_xor import DelayedXOR
from longlag.tasks.embedded_reber import EmbeddedReber
from longlag.tasks.latch import Latch

from longlag.audit.audit import Audit, Effort, audit, passes
from longlag.audit.constant import Constant
from longlag.audit.guessing import Guessed
from longlag.task import Splits

LITTLE = Effort(steps=300, guesses=2000, sequences=256)


def test_delayed_xor_is_long_lag():
    told = []
    found = audit(DelayedXOR(20), LITTLE, told.append)
    assert found.verdict == "long-lag"
    assert found.window == 10  # half of T
    assert found.guessed.tried == 2000
    for accuracy in (found.constant.accuracy, found.window_accuracy, found.guessed.accuracy):
        assert abs(accuracy - 0.5) < 0.16  # five standard errors of 256 sequences
    assert [text.split()[0] for text in told] == ["the", "training", "guessing"]


def test_it_is_not_if_the_model_sees_all_of_it():
    found = audit(DelayedXOR(4, splits=Splits(val_size=256)), Effort(window=4, steps=600, guesses=10))
    assert found.window_passes
    assert found.verdict == "the last 4 steps do"


def test_the_latch_problem_is_solved_by_guessing():
    found = audit(Latch(20), Effort(steps=10, guesses=10_000))
    assert found.guessed.passed
    assert found.verdict == f"guess {found.guessed.tried:,} does"


def test_every_kind_of_readout_can_be_audited():
    found = audit(EmbeddedReber(9), Effort(steps=20, guesses=50, sequences=32))
    assert found.constant.accuracy == 0.0


@pytest.mark.parametrize(("window", "guesses"), [(False, False), (True, False), (False, True), (True, True)])
def test_the_verdict_names_what_does_it(window, guesses):
    found = Audit(Constant(0.5, 0.1), 10, 0.5, window, Guessed(1234, 0.5, guesses))
    said = [*(["the last 10 steps do"] if window else []), *(["guess 1,234 does"] if guesses else [])]
    assert found.verdict == (", ".join(said) or "long-lag")


def test_a_baseline_passes_by_accuracy_or_by_the_criterion_of_the_task():
    assert passes(Adding(20), {"acc": 0.99, "error": 0.5})
    assert not passes(Adding(20), {"acc": 0.98, "error": 0.001})
    assert passes(EmbeddedReber(9), {"acc": 1.0, "symbol_acc": 1.0})


@pytest.mark.parametrize("name", ["window", "steps", "guesses", "sequences"])
def test_an_effort_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be a positive integer, got 0"):
        Effort(**{name: 0})
