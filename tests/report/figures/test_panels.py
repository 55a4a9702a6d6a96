import numpy as np
import pytest
from made import run

from longlag.report.figures.groups import groups_of
from longlag.report.figures.panels import OF_ZERO, Panels, drawable


def finished(runs, moments=("",), log=False, value=0.5, thin=False):
    groups = groups_of(runs)
    panels = Panels.of(groups)
    panels.draw(moments, "title", log)
    for group in groups:
        for moment in moments:
            panels.band(group, moment, np.arange(3.0), np.full((len(group.runs), 3), value), thin)
    panels.finish("x", "subject", "note", -45)
    return panels


def names(panels):
    (legend,) = panels.figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_cells_have_a_line_where_the_forget_bias_is_one_a_cell():
    panels = finished([run(cell=cell, bias=bias) for cell, bias in (("rnn", None), ("lstm", 1.0))])
    assert (panels.rows, panels.columns, panels.lines) == ([""], [60], ["lstm", "rnn"])
    assert names(panels) == ["lstm", "rnn"]


def test_cells_have_a_row_where_the_forget_bias_has_the_lines():
    runs = [run(cell=cell, bias=bias, T=T) for cell in ("lstm", "gru") for bias in (0.0, 1.0) for T in (20, 60)]
    panels = finished(runs, moments=("first", "last"))
    assert (panels.rows, panels.lines) == (["gru", "lstm"], [0.0, 1.0])
    labels = [axis.get_ylabel() for axis in panels.figure.axes if axis.get_ylabel()]
    assert labels == [f"{cell}, {moment}\ntitle" for cell in ("gru", "lstm") for moment in ("first", "last")]
    assert [axis.get_title() for axis in panels.figure.axes[:2]] == ["T = 20", "T = 60"]


def test_a_panel_that_stays_empty_is_not_shown_and_its_neighbour_has_the_labels():
    runs = [run(cell="lstm", bias=b, T=T) for b in (0.0, 1.0) for T in (20, 60)]
    panels = finished([*runs, run(cell="gru", bias=0.0, T=60)])
    _, alone, below, _ = panels.figure.axes
    assert [axis.get_visible() for axis in panels.figure.axes] == [False, True, True, True]
    assert (alone.get_ylabel(), alone.get_title()) == ("gru\ntitle", "T = 60")
    assert (below.get_ylabel(), below.get_title()) == ("lstm\ntitle", "T = 20")


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


def test_a_thin_line_is_named_and_has_no_band():
    panels = finished([run(bias=b, seed=seed) for b in (0.0, 1.0) for seed in (0, 1)], thin=True)
    assert names(panels) == ["0", "1", "direct path"]
    assert not panels.figure.axes[0].collections


def test_the_logarithm_of_zero_is_below_every_other():
    found = drawable(np.array([-np.inf, np.inf, np.nan, -323.3, 0.0]))
    np.testing.assert_array_equal(found, [OF_ZERO, np.nan, np.nan, -323.3, 0.0])
    assert np.log10(np.nextafter(0, 1)) > OF_ZERO
