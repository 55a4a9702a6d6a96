import dataclasses
import itertools

import matplotlib as mpl
import numpy as np
import pytest
from made import run

from longlag.report.figures.groups import groups_of
from longlag.report.figures.panels import OF_ZERO, Panels, drawable
from longlag.report.figures.style import STYLE


def finished(runs, moments=("",), log=False, value=0.5, thin=False):
    groups = groups_of(runs)
    panels = Panels.of(groups)
    panels.draw(moments, "title", log)
    for group in groups:
        for moment in moments:
            panels.band(group, moment, np.arange(3.0), np.full((len(group.runs), 3), value), thin)
    panels.finish("x", "subject", ["note", ""], -45)
    return panels


def names(panels):
    (legend,) = panels.figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_cells_have_a_line_where_the_forget_bias_is_one_a_cell():
    panels = finished([run(cell=cell, bias=bias) for cell, bias in (("rnn", None), ("lstm", 1.0))])
    assert (panels.places.rows, panels.places.columns, panels.lines) == ([""], 1, ["lstm", "rnn"])
    assert names(panels) == ["lstm", "rnn"]


def test_cells_have_a_row_where_the_forget_bias_has_the_lines():
    runs = [run(cell=cell, bias=bias, T=T) for cell in ("lstm", "gru") for bias in (0.0, 1.0) for T in (20, 60)]
    panels = finished(runs, moments=("first", "last"))
    assert (panels.places.rows, panels.lines) == (["gru", "lstm"], [0.0, 1.0])
    labels = [" ".join(axis.get_ylabel().split()) for axis in panels.figure.axes if axis.get_ylabel()]
    assert labels == [f"{cell}, {moment}" for cell in ("gru", "lstm") for moment in ("first", "last")]
    assert panels.figure.get_supylabel() == "title"
    assert [axis.get_title() for axis in panels.figure.axes[:2]] == ["T = 20", "T = 60"]


def several(lags=(5, 8, 12, 20)):
    """Two cells in three studies: alpha and beta with one forget bias of the LSTM, gamma with two."""
    settings = {"alpha": (1.0,), "beta": (1.0,), "gamma": (0.0, 3.0)}
    return [
        run(cell=cell, bias=bias, T=T, seed=seed, study=study)
        for study, biases in settings.items()
        for cell, bias in [("rnn", None), *(("lstm", bias) for bias in biases)]
        for T in lags
        for seed in (0, 1)
    ]


def test_several_studies_are_lines_in_panels_of_cell_by_lag():
    panels = finished(several())
    assert (panels.places.rows, panels.places.columns) == (["lstm", "rnn"], 4)
    axes = panels.figure.axes
    assert [axis.get_ylabel() for axis in axes] == ["lstm", "", "", "", "rnn", "", "", ""]
    assert [axis.get_title() for axis in axes] == [f"T = {T}" for T in (5, 8, 12, 20)] + [""] * 4
    assert [len(axis.lines) for axis in axes] == [4] * 4 + [3] * 4, "no panel is empty"
    assert len({axis.get_ylim() for axis in axes}) == 1
    assert names(panels) == [
        "b = 0, study gamma", "b = 1, study alpha", "b = 1, study beta", "b = 3, study gamma",
        "rnn, study alpha", "rnn, study beta", "rnn, study gamma",
    ]  # fmt: skip


def boxes(figure):
    """The texts of a drawn figure with their places: titles, names of rows and axes, the legend, the small print."""
    figure.canvas.draw()
    texts = [text for legend in figure.legends for text in legend.get_texts()]
    texts += [figure._suptitle, figure._supxlabel, figure._supylabel]
    texts += [text for axis in figure.axes if axis.get_visible() for text in (axis.title, axis.yaxis.label)]
    return [(text.get_text(), text.get_window_extent()) for text in texts if text is not None and text.get_text()]


def colliding(figure):
    """The pairs of texts that cover each other, and those that leave the figure."""
    found = boxes(figure)
    outside = [
        text for text, box in found if box.x0 < 0 or box.y0 < 0 or box.x1 > figure.bbox.x1 or box.y1 > figure.bbox.y1
    ]
    return outside, [(a, b) for (a, one), (b, two) in itertools.combinations(found, 2) if one.overlaps(two)]


@pytest.mark.parametrize("moments", [("",), ("at initialisation", "at the end")])
@pytest.mark.parametrize("study", ["study", "a_study_with_a_name_that_is_far_too_long_for_any_panel_or_legend"])
def test_no_text_covers_another_or_leaves_the_figure(moments, study):
    runs = [renamed(one, study) for one in several()]
    with mpl.rc_context(STYLE):
        assert colliding(finished(runs, moments).figure) == ([], [])


def renamed(one, study):
    config = one.record.config | {"study": f"{study}_{one.record.config['study']}"}
    return dataclasses.replace(one, record=dataclasses.replace(one.record, config=config))


def test_a_cell_without_a_forget_bias_is_named_in_the_legend():
    runs = [run(cell="rnn", bias=None), *(run(bias=bias) for bias in (0.0, 3.0))]
    panels = finished(runs)
    assert panels.places.rows == ["lstm", "rnn"]
    assert names(panels) == ["0", "3", "none (rnn)"]


def test_a_lag_that_one_cell_lacks_leaves_the_others_in_their_columns():
    runs = [run(cell="lstm", bias=b, T=T) for b in (0.0, 1.0) for T in (20, 60)]
    panels = finished([*runs, run(cell="gru", bias=0.0, T=60)])
    _, alone, below, _ = panels.figure.axes
    assert [axis.get_visible() for axis in panels.figure.axes] == [False, True, True, True]
    assert (alone.get_ylabel(), alone.get_title()) == ("gru", "T = 60")
    assert (below.get_ylabel(), below.get_title()) == ("lstm", "T = 20")


def test_a_panel_without_a_value_is_not_shown():
    groups = groups_of([run(bias=b, T=T) for b in (0.0, 1.0) for T in (20, 60)])
    panels = Panels.of(groups)
    panels.draw(("",), "title", log=False)
    for group in groups:
        panels.band(group, "", np.arange(3.0), np.full((1, 3), np.nan if group.T == 20 else 0.5))
    panels.finish("x", "subject", [], -45)
    assert [axis.get_visible() for axis in panels.figure.axes] == [False, True]
    assert panels.figure.axes[1].yaxis.get_tick_params()["labelleft"]


def test_cells_that_share_no_lags_have_no_holes_between_them():
    lags = {"lstm": (60, 100, 200), "rnn": (5, 8, 12)}
    runs = [run(cell=cell, bias=b, T=T) for cell, some in lags.items() for T in some for b in (0.0, 1.0)]
    panels = finished(runs)
    assert panels.places.columns == 3
    assert all(axis.get_visible() and axis.has_data() for axis in panels.figure.axes)
    assert [axis.get_title() for axis in panels.figure.axes] == [f"T = {T}" for some in lags.values() for T in some]


@pytest.mark.parametrize(("lines", "bands"), [(8, 8), (9, 0)])
def test_there_are_bands_while_they_can_be_told_apart(lines, bands):
    panels = finished([run(bias=float(k), seed=seed) for k in range(lines) for seed in (0, 1)])
    (axis,) = panels.figure.axes
    assert (len(axis.lines), len(axis.collections)) == (lines, bands)
    assert ("range" in panels.figure.get_suptitle()) == bool(bands)


def test_one_line_alone_is_named_in_the_small_print():
    panels = finished([run(seed=0), run(seed=1)])
    assert not panels.figure.legends
    assert panels.figure.get_suptitle() == "subject; median over seeds and their range; note"


def test_single_runs_are_no_median():
    assert finished([run(bias=0.0), run(bias=1.0)]).figure.get_suptitle() == "subject; note"


def test_a_thin_line_is_named_and_has_no_band():
    panels = finished([run(bias=b, seed=seed) for b in (0.0, 1.0) for seed in (0, 1)], thin=True)
    assert names(panels) == ["0", "1", "direct path"]
    assert not panels.figure.axes[0].collections


def test_the_logarithm_of_zero_is_below_every_other():
    found = drawable(np.array([-np.inf, np.inf, np.nan, -323.3, 0.0]))
    np.testing.assert_array_equal(found, [OF_ZERO, np.nan, np.nan, -323.3, 0.0])
    assert np.log10(np.nextafter(0, 1)) > OF_ZERO
