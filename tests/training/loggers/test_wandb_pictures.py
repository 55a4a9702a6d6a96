import math

import numpy as np
import pytest
from matplotlib.image import imread

from longlag.training.loggers import wandb_pictures
from longlag.training.loggers.wandb_pictures import draw_curves, draw_map


def lags(*values):
    return {"dh": list(values), "dh_10": [x - 0.5 for x in values], "dh_90": [x + 0.5 for x in values]}


def pixels(path):
    return imread(path)[..., :3]


def inside(picture, x, y):
    """Return the colour at a place within the axes of the map, in shares of them from the left and from below."""
    high, wide, _ = picture.shape
    return picture[int((0.88 - 0.8 * y) * high), int((0.1 + 0.7 * x) * wide)]


def test_the_map_is_brighter_where_more_of_the_gradient_is_left(tmp_path):
    # lag goes up, training to the right; what is left falls with the lag, and less so later
    flows = {0: lags(0.0, -10.0), 100: lags(0.0, -5.0)}
    caption = draw_map(flows, tmp_path / "map.png")
    picture = pixels(tmp_path / "map.png")
    early, late = inside(picture, 0.25, 0.75).sum(), inside(picture, 0.75, 0.75).sum()
    near = inside(picture, 0.5, 0.25).sum()
    assert early < late < near
    assert "‖dL/dh_t‖" in caption


def test_an_exact_zero_is_grey_in_the_map_and_a_gap_in_the_curves(tmp_path):
    flows = {0: lags(0.0, -math.inf), 100: lags(0.0, -5.0)}
    draw_map(flows, tmp_path / "map.png")
    assert inside(pixels(tmp_path / "map.png"), 0.25, 0.75) == pytest.approx([0.8] * 3, abs=0.01)
    draw_curves(flows, tmp_path / "curves.png")
    assert np.ptp(pixels(tmp_path / "curves.png")) > 0.5


@pytest.mark.parametrize(
    "flows",
    [
        {0: lags(-1.0, -400.0)},  # one measurement, below what a float64 holds but for its logarithm
        {0: lags(-1.0), 20: lags(-1.0, -2.0)},  # another length
        {0: lags(-math.inf, -math.inf)},  # nothing at all
        {step: lags(*(-0.1 * k for k in range(50))) for step in range(0, 2000, 20)},
    ],
)
def test_both_are_drawn_without_a_warning(tmp_path, flows):
    for draw in (draw_map, draw_curves):
        draw(flows, tmp_path / "picture.png")
        assert pixels(tmp_path / "picture.png").shape == (380, 640, 3)


def test_a_cell_with_a_cell_state_is_drawn_by_that(tmp_path):
    flows = {0: lags(0.0, -1.0)}
    assert "‖dL/dh_t‖" in draw_map(flows, tmp_path / "map.png")
    flows[0] |= {name.replace("dh", "dc"): values for name, values in lags(-1.0, -2.0).items()}
    assert "‖dL/dc_t‖" in draw_map(flows, tmp_path / "map.png")
    assert "‖dL/dc_t‖" in draw_curves(flows, tmp_path / "curves.png")


def test_a_picture_shows_nothing_of_the_run_before(tmp_path):
    runs = [
        {0: lags(0.0, -10.0), 100: lags(0.0, -5.0)},
        {step: lags(*(-0.1 * k for k in range(50))) for step in range(0, 2000, 20)},
        {0: lags(-1.0)},
        {0: lags(-math.inf, -math.inf)},
    ]

    def drawn(flows):
        for draw in (draw_map, draw_curves):
            draw(flows, tmp_path / f"{draw.__name__}.png")
        return [path.read_bytes() for path in sorted(tmp_path.iterdir())]

    alone = []
    for flows in runs:
        for figure in (wandb_pictures._map, wandb_pictures._curves):
            figure.cache_clear()
        alone.append(drawn(flows))
    assert len({tuple(pictures) for pictures in alone}) == len(runs)
    for number in (0, 3, 2, 3, 1, 0, 2, 1):
        assert drawn(runs[number]) == alone[number]
