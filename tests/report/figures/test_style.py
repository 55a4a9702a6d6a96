import matplotlib.image
import pytest

from longlag.report.figures.style import (
    COLOURS,
    Layout,
    caption_of,
    laid_out,
    legend,
    look,
    new_figure,
    powers_of_ten,
    remark,
    save,
)


def test_lines_differ_in_colour_and_dash_for_a_long_while():
    looks = [(style["color"], style["linestyle"]) for style in map(look, range(35))]
    assert len(set(looks)) == 35
    assert len({dash for _, dash in looks[:5]}) == 5, "the first few can be told apart without colour"
    assert len({colour for colour, _ in looks[:7]}) == len(COLOURS) == 7


@pytest.mark.parametrize(
    ("low", "high", "exponents"),
    [(-3.2, 0.5, [-3, -2, -1, 0]), (-46, 1, [-40, -30, -20, -10, 0]), (-8, 0, [-8, -6, -4, -2, 0])],
)
def test_powers_of_ten(low, high, exponents):
    axis = new_figure(1).subplots()
    powers_of_ten(axis, low, high)
    assert axis.get_yticks().tolist() == exponents
    assert [label.get_text() for label in axis.get_yticklabels()] == [f"$10^{{{n}}}$" for n in exponents]


@pytest.mark.parametrize("width", [3.0, 5.5])
def test_small_print_of_any_length_stays_on_the_figure(width):
    figure = new_figure(2.0, width)
    remark(figure, "a run that has ended keeps its last value; " * 5 + "cut at $10^{-45}$, where float32 ends")
    (text,) = figure.texts
    box = text.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert box.height > 30


def test_a_layout_holds_for_the_figures_of_its_context():
    with laid_out(Layout(50.8, caption=False)):
        figure = new_figure(2.0, 9.0)
        remark(figure, r"the price is 3 \$")
    assert figure.get_figwidth() == pytest.approx(2.0)
    assert (figure.texts, caption_of(figure)) == ([], "the price is 3 $")
    assert new_figure(2.0, 9.0).get_figwidth() == 9.0


@pytest.mark.parametrize(("width", "below"), [(5.5, False), (3.3, True)])
def test_the_legend_of_a_narrow_figure_stands_below_it(width, below):
    figure = new_figure(2.0, width)
    figure.subplots()
    legend(figure, "steps", ["0", "3"], "forget bias")
    assert bool(figure.get_figheight() > 2.0) is below


def test_a_figure_has_300_dots_an_inch_and_nothing_is_left_beside_it(tmp_path):
    path = save(new_figure(1.0, 2.0), tmp_path / "figure.png")
    assert matplotlib.image.imread(path).shape[:2] == (300, 600)
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]
    assert path.stat().st_mode & 0o600 == 0o600


def test_a_very_high_figure_is_drawn_more_coarsely(tmp_path):
    path = save(new_figure(400.0, 1.0), tmp_path / "figure.png")
    assert matplotlib.image.imread(path).shape[0] == pytest.approx(30_000, abs=1)


def test_a_figure_that_cannot_be_put_in_its_place_leaves_nothing_behind(tmp_path):
    (tmp_path / "figure.png").mkdir()
    with pytest.raises(OSError, match="directory"):
        save(new_figure(1.0), tmp_path / "figure.png")
    assert [p.name for p in tmp_path.iterdir()] == ["figure.png"]
