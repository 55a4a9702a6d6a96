import math

import pytest
from scipy.stats import spearmanr

from longlag.horizon.foretelling import FLOWS, foretelling, sentence
from longlag.horizon.picture import save_foretelling

FLOW = "gradient_half_life_init"


def entry(setting, task, half_life, horizon):
    return {"setting": setting, "task": task, FLOW: half_life, "direct_half_life_init": None, "horizon": horizon}


def test_the_rank_correlation_over_settings():
    half_lives, horizons = [2.0, 3.0, 5.0, 8.0, 13.0, 21.0], [10, 28, 20, None, 80, 113]
    entries = [entry(f"cell{k}", "a", *pair) for k, pair in enumerate(zip(half_lives, horizons, strict=True))]
    found, count = foretelling(entries, FLOW)
    assert count == 6
    assert found.value == pytest.approx(spearmanr(half_lives, [T or 0 for T in horizons]).statistic)
    assert found.low < found.value < found.high
    assert sentence(entries, FLOW).endswith("6 searches")


def test_a_gradient_that_does_not_fall_ranks_highest():
    entries = [entry(f"cell{k}", "a", half, 10 * k) for k, half in enumerate((1.0, 2.0, 3.0, 4.0, "inf"))]
    assert foretelling(entries, FLOW)[0].value == pytest.approx(1)


def test_ranks_are_taken_within_a_task():
    """The longer horizons of an easier task are no association."""
    entries = [
        entry(f"cell{k}", task, half_life, scale * (6 - k))
        for task, scale in (("easy", 100), ("hard", 1))
        for k, half_life in enumerate((1.0, 2.0, 3.0, 4.0, 5.0))
    ]
    assert foretelling(entries, FLOW)[0].value == pytest.approx(-1)


def test_few_settings_say_nothing(tmp_path):
    entries = [entry(f"cell{k}", "a", 2.0**k, 10 * k) for k in range(4)]
    assert foretelling(entries, FLOW) is None
    assert all(sentence(entries, flow) is None for flow in FLOWS)
    assert save_foretelling(entries, tmp_path / "flow.png") is None


def test_the_figure(tmp_path):
    entries = [entry(f"cell{k}", "a", math.exp(k), 10 * (k or 1)) for k in range(6)]
    assert save_foretelling(entries, tmp_path / "flow.png").read_bytes().startswith(b"\x89PNG")
