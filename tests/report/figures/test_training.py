import math
import statistics

import numpy as np
import pytest
from made import run

from longlag.metric import Metric
from longlag.report.figures.groups import groups_of
from longlag.report.figures.training import carried, training_curves


def curves(values, name="val/acc"):
    return {step: {name: value} for step, value in values.items()}


def drawn(runs, name="val/acc", log=False):
    metric = Metric(name, "the title", "unit", "log" if log else "linear")
    return training_curves(groups_of(runs), "lstm", metric)


def test_the_line_is_the_median_over_seeds_and_solved_runs_keep_their_last_value():
    all_values = [{0: 0.5, 20: 0.9, 40: 1.0}, {0: 0.4, 20: 1.0}, {0: 0.6, 20: 0.5, 40: 0.7}, {0: 0.3, 40: 0.2}]
    solved = [40, 20, None, None]
    figure = drawn(
        [run(curves(values), seed=k, solved=at) for k, (values, at) in enumerate(zip(all_values, solved, strict=True))]
    )
    (axis,) = figure.axes
    (line,) = axis.lines
    kept = {0: [0.5, 0.4, 0.6, 0.3], 20: [0.9, 1.0, 0.5, 0.25], 40: [1.0, 1.0, 0.7, 0.2]}
    assert line.get_xdata().tolist() == [0, 20, 40]
    assert line.get_ydata().tolist() == pytest.approx([statistics.median(kept[step]) for step in (0, 20, 40)])
    (band,) = axis.collections
    for step, values in kept.items():
        edge = [y for x, y in band.get_paths()[0].vertices if x == step]
        assert (min(edge), max(edge)) == (min(values), max(values))
    assert (figure.get_supylabel(), figure.get_supxlabel(), axis.get_title()) == (
        "the title (unit)",
        "optimizer steps",
        "T = 60",
    )


def ends(runs):
    """The last step of each line, in the order of the forget biases."""
    return [line.get_xdata()[-1] for axis in drawn(runs).axes for line in axis.lines]


@pytest.mark.parametrize(
    ("state", "end"),
    [("solved", 100), ("diverged", 100), ("done", 40), ("interrupted", 40), ("failed", 40), ("running", 40)],
)
def test_how_a_run_ended_decides_where_its_line_ends(state, end):
    long = run(curves({0: 0.5, 100: 0.6}), bias=0.0, steps=100)
    short = run(curves({0: 0.5, 40: 0.6}), bias=1.0, steps=40, state=state, solved=40 if state == "solved" else None)
    assert ends([long, short]) == [100, end]
    assert ("keeps its last value" in drawn([long, short]).get_suptitle()) == (end == 100)


def test_a_median_goes_no_further_than_the_unsolved_runs_that_it_counts():
    """Beyond the budget of the unsolved run, the median would be that of the solved run alone."""
    long = run(curves({0: 0.5, 100: 0.6}), bias=0.0, steps=100)
    mixed = [run(curves({0: 0.5, 20: 1.0}), solved=20), run(curves({0: 0.5, 20: 0.5, 40: 0.6}), seed=1, steps=40)]
    assert ends([long, *mixed]) == [100, 40]
    line = drawn([long, *mixed]).axes[0].lines[1]
    assert line.get_ydata().tolist() == pytest.approx([0.5, 0.75, 0.8])


def test_all_panels_have_the_same_steps():
    runs = [run(curves({0: 0.5, 40: 1.0}), T=20, solved=40), run(curves({0: 0.5, 100: 0.6}), T=60)]
    short, long = drawn(runs).axes
    assert short.lines[0].get_xdata()[-1] == 100
    assert short.get_xlim() == long.get_xlim()


def test_runs_without_the_curve_are_counted():
    runs = [run(curves({0: 0.5, 20: 0.6})), run(seed=1), run({0: {"val/acc": math.nan}}, seed=2)]
    assert "left out: 2 of 3 runs, without this curve" in drawn(runs).get_suptitle()
    assert "left out" not in drawn(runs[:1]).get_suptitle()


def test_before_its_first_step_a_curve_has_no_value_and_between_two_steps_it_is_a_line():
    steps, values = carried([{20: 1.0}, {0: 2.0, 40: 3.0}], [True, False], 60)
    assert steps.tolist() == [0, 20, 40]
    np.testing.assert_array_equal(values, [[math.nan, 1, 1], [2, 2.5, 3]])
    steps, values = carried([{20: 1.0}], [True], 60)
    np.testing.assert_array_equal((steps, values[0]), [[20, 60], [1, 1]])


def test_a_median_is_that_of_the_values_on_a_logarithmic_axis_too():
    runs = [run(curves({0: value}, "early_gradient"), seed=k) for k, value in enumerate((1e-8, 1e-2))]
    (line,) = drawn(runs, "early_gradient", log=True).axes[0].lines
    assert line.get_ydata().tolist() == pytest.approx([math.log10((1e-8 + 1e-2) / 2)])


def test_logarithms_are_drawn_and_zero_is_below_the_axis():
    early = [{0: 1e-30, 20: 1e-2}, {0: 0.0, 20: 1e-4}, {0: 0.0, 20: 1e-3}]
    figure = drawn([run(curves(v, "early_gradient"), seed=k) for k, v in enumerate(early)], "early_gradient", log=True)
    (axis,) = figure.axes
    first, second = axis.lines[0].get_ydata()
    assert second == pytest.approx(-3, abs=1e-12)
    low, high = axis.get_ylim()
    assert first < low, "the median of two zeros and a little is zero"
    assert -50 < low < -45
    assert high > -2
    assert "cut at $10^{-45}$" in figure.get_suptitle()
    assert axis.get_yticklabels()[-1].get_text().startswith("$10^{")


def test_a_column_for_each_lag_and_a_line_for_each_forget_bias():
    runs = [run(curves({0: 0.5, 20: 0.6}), T=T, bias=bias) for T in (20, 60) for bias in (0.0, 1.0, "chrono")]
    figure = drawn(runs)
    assert [axis.get_title() for axis in figure.axes] == ["T = 20", "T = 60"]
    assert [len(axis.lines) for axis in figure.axes] == [3, 3]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["0", "1", "chrono"]
    assert legend.get_title().get_text() == "forget bias"
    for axis in figure.axes:
        looks = [(line.get_color(), line.get_linestyle()) for line in axis.lines]
        assert len(set(looks)) == 3


def test_what_is_not_there_gives_no_figure():
    assert drawn([run(), run(seed=1)]) is None
    assert drawn([run(curves({0: math.nan, 20: math.inf}))]) is None
    assert drawn([]) is None


def test_everything_zero_is_still_a_figure():
    figure = drawn([run(curves({0: 0.0, 20: 0.0}, "early_gradient"))], "early_gradient", log=True)
    assert figure.axes[0].get_ylim()[1] < -40
