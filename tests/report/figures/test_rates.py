import itertools
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
    left, right = figure.axes[:2]
    assert [label.get_text() for label in left.get_xticklabels()] == ["20", "60"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["−1", "3"]
    assert (left.get_xlabel(), left.get_ylabel()) == ("T (steps)", "forget bias")
    assert left.yaxis_inverted(), "the first setting stands on top, as on the page"
    medians = {3: "102", 5: "102", 0: ">600", 2: ">600"}
    for place, key in {(0, 0): (20, -1.0), (0, 1): (20, 3.0), (1, 0): (60, -1.0), (1, 1): (60, 3.0)}.items():
        low, high = (round(100 * end) for end in wilson(rates[key], 5))
        assert texts(left)[place] == [f"{rates[key]}/5", f"{low}–{high} %"]
        assert texts(right)[place] == [medians[rates[key]]]


def readable(axis):
    """Whether each text has the contrast to its tile that WCAG 2 asks for."""
    for text in axis.texts:
        x, y = text.get_position()
        ink = {"black": 0.0, "white": 1.0}[text.get_color()]
        light, dark = sorted((brightness(tiles(axis)[round(x), round(y)]), ink), reverse=True)
        if (light + 0.05) / (dark + 0.05) <= 4.5:
            return False
    return True


def test_more_solved_is_brighter_and_ink_can_be_read():
    solved = {-1.0: 0, 0.0: 1, 1.0: 2, 3.0: 4, 5.0: 5}
    figure = solve_rates(groups_of(grid(lambda T, bias: solved[bias], biases=tuple(solved))), "")
    left, right = figure.axes[:2]
    found = [brightness(tiles(left)[0, k]) for k in range(5)]
    assert found == sorted(found)
    assert len(set(found)) == 5
    assert readable(left)
    assert readable(right)


TIMES = (20, 30, 60, 170, 400, 500, 600, None)  # to solve, with a budget of 600 steps


def timed():
    runs = [run(T=T, bias=float(k), solved=time) for T in (20, 60) for k, time in enumerate(TIMES)]
    return solve_rates(groups_of(runs), "")


def test_sooner_is_brighter_and_never_is_the_dark_end_apart_from_all_times():
    right = timed().axes[1]
    found = [brightness(tiles(right)[0, k]) for k in range(len(TIMES))]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(TIMES)
    assert found[-2] > 2 * found[-1], "never is told from the last step of the budget, in greyscale too"
    assert [texts(right)[0, k] for k in (3, 7)] == [["170"], [">600"]]
    assert readable(right)


def test_the_colour_bar_of_the_times_ends_in_never():
    figure = timed()
    bar = figure.axes[3]._colorbar
    assert (bar.vmin, bar.vmax, bar.extend) == (pytest.approx(20), pytest.approx(600), "max")
    assert [text.get_text() for text in bar.ax.texts] == ["never"]
    assert "never: the median run is not solved within its budget" in " ".join(figure.get_suptitle().split())
    labels = [label.get_text() for label in bar.ax.get_xticklabels()]
    assert (labels[0], labels[-1]) == ("20", "600")
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in (*bar.ax.get_xticklabels(), *bar.ax.texts)]
    assert not any(one.overlaps(two) for one, two in itertools.combinations(boxes, 2))


def test_a_figure_without_an_unsolved_median_has_no_never():
    figure = solve_rates(groups_of(grid(lambda T, bias: 5)), "")
    assert "never" not in figure.get_suptitle()
    assert figure.axes[3]._colorbar.extend == "neither"


def test_a_row_for_each_cell_and_holes_where_nothing_ran():
    runs = [*grid(lambda T, bias: 5), *grid(lambda T, bias: 0, lags=(60,), cell="gru", biases=(None,))]
    left, right, *_ = solve_rates(groups_of(runs), "delayed_xor").axes
    assert [axis.get_title() for axis in (left, right)] == ["share of runs solved", "median steps to solve"]
    assert [label.get_text() for label in left.get_yticklabels()] == ["gru", "lstm, b = −1", "lstm, b = 3"]
    assert set(texts(left)) == {(1, 0), (0, 1), (1, 1), (0, 2), (1, 2)}


def test_studies_and_cells_are_rows_of_one_map():
    runs = [
        run(T=T, cell=cell, bias=bias, study=study)
        for study in ("alpha", "beta") for cell, bias in (("lstm", 1.0), ("rnn", None)) for T in (5, 8, 12, 20)
    ]  # fmt: skip
    figure = solve_rates(groups_of(runs), "")
    left, right, *bars = figure.axes
    assert len(bars) == 2
    names = ["lstm, study alpha", "lstm, study beta", "rnn, study alpha", "rnn, study beta"]
    assert [label.get_text() for label in left.get_yticklabels()] == names
    assert len(tiles(right)) == len(tiles(left)) == 16


@pytest.mark.parametrize(
    ("runs", "names"),
    [
        (grid(lambda T, bias: 2, lags=(20,), biases=(1.0, 3.0)), ["b = 1", "b = 3"]),
        (grid(lambda T, bias: 2, biases=("chrono",)), ["T = 20", "T = 60"]),
        (
            [*grid(lambda T, bias: 2, (20, 60), (1.0,)), *grid(lambda T, bias: 2, (5, 8, 12), (None,), cell="rnn")],
            ["lstm, T = 20", "lstm, T = 60", "rnn, T = 5", "rnn, T = 8", "rnn, T = 12"],
        ),
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
    figure = solve_rates(groups_of(runs), "")
    assert texts(figure.axes[0])[0, 1][0] == "5/5"
    assert "left out: 2 of 22 runs, which have not ended" in " ".join(figure.get_suptitle().split())
    assert solve_rates(groups_of(runs[-2:]), "") is None
    assert solve_rates([], "") is None


def test_equal_times_and_a_time_of_nothing_have_a_colour():
    for solved in (0, 60):
        runs = [run(T=T, bias=bias, solved=solved) for T in (20, 60) for bias in (0.0, 1.0)]
        colours = set(tiles(solve_rates(groups_of(runs), "").axes[1]).values())
        assert len(colours) == 1
        assert not any(math.isnan(part) for colour in colours for part in colour)
