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


def test_the_line_is_the_median_over_seeds_and_ended_runs_keep_their_last_value():
    all_values = [{0: 0.5, 20: 0.9, 40: 1.0}, {0: 0.4, 20: 0.6}, {0: 0.6, 20: 0.5, 40: 0.7}, {0: 0.3, 40: 0.2}]
    figure = drawn([run(curves(values), seed=seed) for seed, values in enumerate(all_values)])
    (axis,) = figure.axes
    (line,) = axis.lines
    kept = {0: [0.5, 0.4, 0.6, 0.3], 20: [0.9, 0.6, 0.5, 0.3], 40: [1.0, 0.6, 0.7, 0.2]}
    assert line.get_xdata().tolist() == [0, 20, 40]
    assert line.get_ydata().tolist() == pytest.approx([statistics.median(kept[step]) for step in (0, 20, 40)])
    (band,) = axis.collections
    for step, values in kept.items():
        edge = [y for x, y in band.get_paths()[0].vertices if x == step]
        assert (min(edge), max(edge)) == (min(values), max(values))
    assert (axis.get_ylabel(), figure.get_supxlabel(), axis.get_title()) == (
        "the title (unit)",
        "optimizer steps",
        "T = 60",
    )


def test_before_its_first_step_a_curve_has_no_value():
    steps, values = carried([{20: 1.0}, {0: 2.0, 40: 3.0}])
    assert steps.tolist() == [0, 20, 40]
    np.testing.assert_array_equal(values, [[math.nan, 1, 1], [2, 2, 3]])


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
