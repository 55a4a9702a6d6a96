import pytest

from longlag.horizon import LagGrid, next_step


def searched(grid, horizon):
    """Search with lags that are within up to a true horizon; return the lags that were tested, and the last step."""
    verdicts = {}
    while (step := next_step(grid, verdicts)).next_lag is not None:
        assert step.next_lag not in verdicts
        verdicts[step.next_lag] = "within" if step.next_lag <= horizon else "beyond"
    return list(verdicts), step


def test_doubling_then_bisection():
    tested, step = searched(LagGrid(10), horizon=100)
    assert tested == [10, 20, 40, 80, 160, 113, 95]
    assert (step.within, step.beyond) == (95, 113)


def test_halving_where_the_first_lag_is_beyond():
    tested, step = searched(LagGrid(64, least=2), horizon=20)
    assert tested == [64, 32, 16, 23, 19]
    assert (step.within, step.beyond) == (19, 23)


@pytest.mark.parametrize("start", [1, 3, 10, 77])
@pytest.mark.parametrize("per_doubling", [1, 2, 4, 7])
def test_every_true_horizon_is_found_to_one_grid_step(start, per_doubling):
    grid = LagGrid(start, per_doubling, least=1, most=2000)
    lags = sorted({grid.lag(k) for k in range(-80, 120) if 1 <= grid.lag(k) <= 2000})
    for horizon in [0, *range(1, 130), 1999, 5000]:
        tested, step = searched(grid, horizon)
        assert set(tested) <= set(lags)
        below, above = [T for T in lags if horizon >= T], [T for T in lags if horizon < T]
        assert step.within == max(below, default=None)
        assert step.beyond == min(above, default=None)


def test_the_ends_of_the_grid():
    grid = LagGrid(10, least=9, most=30)
    tested, step = searched(grid, horizon=1000)
    assert (tested, step.within, step.beyond) == ([10, 20, 28], 28, None)
    tested, step = searched(grid, horizon=1)
    assert (tested, step.within, step.beyond) == ([10], None, 10)


@pytest.mark.parametrize(
    "wrong", [{"start": 0}, {"start": 5, "most": 4}, {"start": 5, "least": 6}, {"start": 5, "per_doubling": 0}]
)
def test_a_grid_out_of_order_is_refused(wrong):
    with pytest.raises(ValueError, match=r"start|per_doubling"):
        LagGrid(**wrong)
