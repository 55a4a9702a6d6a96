import math
import re

import pytest
from made import run

from longlag.report.figures.groups import groups_of
from longlag.report.figures.rates import solve_rates
from longlag.report.statistics.rates import wilson


def grid(solved_of, lags=(20, 60), biases=(-1.0, 3.0), seeds=5, **more):
    return [
        run(T=T, bias=bias, seed=seed, solved=100 + seed if seed < solved_of(T, bias) else None, **more)
        for T in lags for bias in biases for seed in range(seeds)
    ]  # fmt: skip


def texts(axis):
    """(column, row) -> what is written in a cell of a map."""
    found = {}
    for text in axis.texts:
        x, y = text.get_position()
        found.setdefault((round(x), round(y)), []).append(text.get_text())
    return found


def tiles(axis):
    return {(round(p.get_x() + 0.5), round(p.get_y() + 0.5)): p.get_facecolor() for p in axis.patches}


def brightness(colour):
    return 0.2126 * colour[0] ** 2.2 + 0.7152 * colour[1] ** 2.2 + 0.0722 * colour[2] ** 2.2


def test_the_map_has_rate_interval_and_median_of_each_setting():
    rates = {(20, -1.0): 3, (20, 3.0): 5, (60, -1.0): 0, (60, 3.0): 2}
    figure = solve_rates(groups_of(grid(lambda T, bias: rates[T, bias])), "lstm")
    left, right = figure.axes
    assert [label.get_text() for label in left.get_xticklabels()] == ["−1", "3"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["20", "60"]
    assert (left.get_xlabel(), left.get_ylabel()) == ("forget bias", "T (steps)")
    medians = {3: "102", 5: "102", 0: ">600", 2: ">600"}
    for place, key in {(0, 0): (20, -1.0), (1, 0): (20, 3.0), (0, 1): (60, -1.0), (1, 1): (60, 3.0)}.items():
        low, high = (round(100 * end) for end in wilson(rates[key], 5))
        assert texts(left)[place] == [f"{rates[key]}/5", f"{low}–{high} %"]
        assert texts(right)[place] == [medians[rates[key]]]


def test_more_solved_is_brighter_and_ink_can_be_read():
    figure = solve_rates(
        groups_of(
            grid(lambda T, bias: {-1.0: 0, 0.0: 1, 1.0: 2, 3.0: 4, 5.0: 5}[bias], biases=(-1.0, 0.0, 1.0, 3.0, 5.0))
        ),
        "",
    )
    left = figure.axes[0]
    found = [brightness(tiles(left)[k, 0]) for k in range(5)]
    assert found == sorted(found)
    assert len(set(found)) == 5
    for text in left.texts:
        x, y = text.get_position()
        ink = {"black": 0.0, "white": 1.0}[text.get_color()]
        light, dark = sorted((brightness(tiles(left)[round(x), round(y)]), ink), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5, "the contrast that WCAG 2 asks for"


def test_a_map_for_each_cell_and_holes_where_nothing_ran():
    runs = [*grid(lambda T, bias: 5), *grid(lambda T, bias: 0, cell="gru", biases=(None,))]
    figure = solve_rates(groups_of(runs), "delayed_xor")
    assert [axis.get_title() for axis in figure.axes] == [
        "gru: share of runs solved", "gru: median steps to solve",
        "lstm: share of runs solved", "lstm: median steps to solve",
    ]  # fmt: skip
    assert set(texts(figure.axes[0])) == {(2, 0), (2, 1)}, "the column of no forget bias"
    assert set(texts(figure.axes[2])) == {(0, 0), (1, 0), (0, 1), (1, 1)}


@pytest.mark.parametrize(
    ("runs", "names"),
    [
        (grid(lambda T, bias: 2, lags=(20,), biases=(1.0, 3.0)), ["b = 1", "b = 3"]),
        (grid(lambda T, bias: 2, biases=("chrono",)), ["T = 20", "T = 60"]),
        (grid(lambda T, bias: 2, lags=(20,), biases=(1.0,)), ["all runs"]),
        (
            [*grid(lambda T, bias: 2, (20,), (1.0,)), *grid(lambda T, bias: 2, (20,), (None,), cell="rnn")],
            ["lstm", "rnn"],
        ),
    ],
)  # fmt: skip
def test_dots_with_their_intervals_where_there_is_no_map(runs, names):
    (axis,) = solve_rates(groups_of(runs), "").axes
    assert [label.get_text() for label in axis.get_yticklabels()] == names
    bars, dots = axis.collections
    for bar in bars.get_segments():
        assert bar[:, 0].tolist() == pytest.approx(wilson(2, 5), abs=1e-12)
    assert dots.get_offsets()[:, 0].tolist() == [0.4] * len(names)
    assert all(re.fullmatch(r"2/5   median >600 steps", text.get_text()) for text in axis.texts)


def test_runs_without_an_outcome_count_in_no_rate_and_none_gives_no_figure():
    runs = [*grid(lambda T, bias: 5), run(T=20, bias=3.0, seed=9, state="running"), run(T=20, bias=3.0, state="failed")]
    assert texts(solve_rates(groups_of(runs), "").axes[0])[1, 0][0] == "5/5"
    assert solve_rates(groups_of(runs[-2:]), "") is None
    assert solve_rates([], "") is None


def test_equal_times_and_a_time_of_nothing_have_a_colour():
    for solved in (0, 60):
        runs = [run(T=T, bias=bias, solved=solved) for T in (20, 60) for bias in (0.0, 1.0)]
        colours = set(tiles(solve_rates(groups_of(runs), "").axes[1]).values())
        assert len(colours) == 1
        assert not any(math.isnan(part) for colour in colours for part in colour)
