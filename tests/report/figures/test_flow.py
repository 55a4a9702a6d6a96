import math
import statistics

import numpy as np
import pytest
from made import run

from longlag.report.figures.flow import flow_curves, flow_maps
from longlag.report.figures.groups import groups_of


def flow(slopes, lags=10, name="dh", layer=1, start=0.0):
    """step -> slope: log10 of the gradient falls by it at each lag."""
    return {(step, layer): {name: [start + slope * lag for lag in range(lags)]} for step, slope in slopes.items()}


def curves(runs, direct=None, name="dh"):
    return flow_curves(groups_of(runs), "lstm", name, "title", direct)


def maps(runs):
    return flow_maps(groups_of(runs), "lstm", "dh", "title")


def test_the_first_row_is_the_first_measurement_and_the_second_the_last_of_each_run():
    slopes = [{0: -1.0, 20: -0.5, 40: -0.2}, {0: -2.0, 20: -0.6}, {0: -3.0, 60: -0.4}]
    figure = curves([run(flow=flow(s), seed=k) for k, s in enumerate(slopes)])
    for axis, expected in zip(figure.axes, (-2.0, statistics.median([-0.2, -0.6, -0.4])), strict=True):
        assert axis.lines[0].get_xdata().tolist() == list(range(10))
        assert axis.lines[0].get_ydata().tolist() == pytest.approx([expected * lag for lag in range(10)], abs=1e-12)
    assert [axis.get_ylabel() for axis in figure.axes] == ["at initialisation", "at the end"]
    assert figure.get_supylabel() == "title"
    assert figure.get_supxlabel() == "lag (steps back from the last target)"
    assert axis.get_ylim()[0] == pytest.approx(-27, abs=2), "no more room than needed"


def test_a_run_that_reaches_less_far_back_counts_where_it_reaches():
    figure = curves([run(flow=flow({0: -1.0}, lags=4)), run(flow=flow({0: -2.0}, lags=6), seed=1)])
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0, -1.5, -3, -4.5, -8, -10]


def test_the_direct_path_is_beside_it_where_there_is_one():
    both = {(0, 1): {"dc": [0.0, -1.0], "dc_direct": [0.0, -2.0]}}
    figure = curves(
        [run(both, None), run(flow=both), run(flow={(0, 1): {"dc": [0.0, -1.0]}}, cell="rnn")], "dc_direct", "dc"
    )
    assert sorted(line.get_ydata()[-1] for line in figure.axes[0].lines) == [-2, -1, -1]
    assert "direct path" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_what_was_not_measured_gives_no_figure():
    for runs in ([], [run()], [run(flow={(0, 1): {"dx": [0.0]}})]):
        assert curves(runs) is None
        assert maps(runs) is None
    assert maps([run(flow=flow({0: -1.0}))]) is None, "one step alone has no course"


def test_gradients_that_are_all_zero_are_a_figure_and_no_map():
    nothing = {(step, 1): {"dh": [-math.inf] * 3} for step in (0, 20)}
    assert curves([run(flow=nothing)]).axes[0].get_ylim()[1] < -40
    assert maps([run(flow=nothing)]) is None


def test_the_map_has_lag_by_step_in_one_scale_for_all():
    runs = [
        run(
            flow=flow({0: -0.1 * (seed + 1) - b, 20: -0.2 - b, 60: -0.3 - b}),
            bias=b,
            seed=seed,
            solved=60 if b else None,
        )
        for b in (0.0, 2.0)
        for seed in (0, 1, 2)
    ]
    *axes, bar = maps(runs).axes
    assert [axis.get_title() for axis in axes] == ["b = 0\n0/3 solved", "b = 2\n3/3 solved"]
    for axis, b in zip(axes, (0.0, 2.0), strict=True):
        (mesh,) = axis.collections
        expected = np.array([[lag * (slope - b) for slope in (-0.2, -0.2, -0.3)] for lag in range(10)])
        np.testing.assert_allclose(mesh.get_array(), np.maximum(expected, -12), atol=1e-12)
        assert mesh.get_clim() == (-12, 0)
        x, y = mesh.get_coordinates()[0, :, 0], mesh.get_coordinates()[:, 0, 1]
        assert x.tolist() == [-10, 10, 40, 80]
        assert y.tolist() == [lag - 0.5 for lag in range(11)]
    assert bar.get_ylabel() == "log$_{10}$ title"


def test_after_a_run_has_ended_the_others_make_the_median():
    runs = [run(flow=flow({0: -1.0, 20: -1.0})), run(flow=flow({0: -0.1, 20: -0.1, 40: -0.5}), seed=1)]
    mesh = maps(runs).axes[0].collections[0]
    np.testing.assert_allclose(mesh.get_array()[2], [-1.1, -1.1, -1.0], atol=1e-12)


def grid(lags, biases, cells=("lstm",)):
    steps = flow({0: -1.0, 20: -1.0})
    return [run(flow=steps, T=T, bias=float(b), cell=cell) for cell in cells for T in lags for b in range(biases)]


def test_every_setting_has_its_map():
    figure = maps(grid((20, 60, 100), 7))
    axes = figure.axes[:-1]
    assert len(axes) == 21
    assert all(axis.collections for axis in axes), "no panel is empty"
    assert [axis.get_title().split("\n")[0] for axis in axes[:3]] == ["T = 20", "T = 60", "T = 100"]
    assert [axis.get_ylabel() for axis in axes[::3]] == [f"b = {b}" for b in range(7)]
    assert figure.get_suptitle() == "lstm", "nothing is left out"


def test_cells_and_studies_are_rows_of_maps_too():
    steps = flow({0: -1.0, 20: -1.0})
    runs = [
        run(flow=steps, T=T, cell=cell, bias=bias, study=study)
        for study in ("alpha", "beta") for cell, bias in (("lstm", 1.0), ("rnn", None)) for T in (5, 8)
    ]  # fmt: skip
    axes = maps(runs).axes[:-1]
    names = [" ".join(axis.get_ylabel().split()) for axis in axes[::2]]
    assert names == ["lstm, study alpha", "lstm, study beta", "rnn, study alpha", "rnn, study beta"]


def test_settings_of_one_lag_are_side_by_side():
    figure = maps(grid((60,), 7))
    drawn = [axis for axis in figure.axes[:-1] if axis.get_visible()]
    assert [axis.get_title() for axis in drawn] == [f"b = {b}\n0/1 solved" for b in range(7)]
    assert figure.get_suptitle().startswith("lstm, T = 60")


def test_of_very_many_maps_the_small_print_says_how_many_are_left_out():
    figure = maps(grid((20, 60, 100), 30))
    assert len([axis for axis in figure.axes[:-1] if axis.collections]) == 60
    assert "60 of 90 maps, spread evenly: 30 are left out" in figure.get_suptitle()


def test_a_map_is_named_by_what_tells_it_from_the_maps_that_are_left_out():
    cells = [f"cell{k}" for k in range(40)]
    figure = maps(grid((20, 60, 100), 3, cells))
    names = [" ".join(axis.get_ylabel().split()) for axis in figure.axes[:-1] if axis.get_ylabel()]
    assert len(names) == 20
    assert all(", b = " in name for name in names)


def test_runs_without_error_flow_are_counted():
    some = [run(flow=flow({0: -1.0, 20: -1.0})), run(flow=flow({0: -1.0}), seed=1), run(seed=2)]
    text = "left out: 2 of 3 runs, without this error flow at two steps or more"
    assert text in " ".join(maps(some).get_suptitle().split())
    assert "left out: 1 of 3 runs, without this error flow" in curves(some).get_suptitle()
    assert "left out" not in curves(some[:1]).get_suptitle()


def test_the_small_print_names_grey_where_there_is_grey():
    runs = [run(flow=flow({0: -1.0, 20: -1.0}), bias=0.0), run(flow=flow({0: -1.0, 20: -1.0}), bias=1.0)]
    assert "grey" not in maps(runs).get_suptitle()
    assert "grey" in maps([*runs, run(flow=flow({0: -1.0, 40: -1.0}), bias=2.0)]).get_suptitle()


def test_a_gradient_of_nothing_is_below_the_colours():
    figure = maps([run(flow={(step, 1): {"dh": [0.0, -math.inf]} for step in (0, 20)})])
    assert figure.axes[-1]._colorbar.extend == "min"


def test_of_several_layers_the_first_is_shown_and_said():
    two = flow({0: -1.0, 20: -1.0}) | flow({0: -5.0, 20: -5.0}, layer=2)
    for figure in (curves([run(flow=two)]), maps([run(flow=two)])):
        assert "layer 1 of 2" in figure.get_suptitle()
    assert curves([run(flow=two)]).axes[0].lines[0].get_ydata()[1] == -1
