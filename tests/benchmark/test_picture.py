from dataclasses import replace

import matplotlib.image
import pytest
from made_report import report

from longlag.benchmark.picture import save_picture

NATIVE, EAGER, BLACK = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0, 0, 0)


def rows(units, floor=True, names=("native", "eager")):
    native = report().rows[0]
    return [
        replace(native, H=H, contender=name, both_us=H * at, floor_us=0.1 * H if floor else None)
        for H in units
        for at, name in enumerate(names, start=1)
    ]


def drawn(path, **changes):
    save_picture(report(**changes), path)
    return (matplotlib.image.imread(path)[..., :3] * 255).round()


def pixels(image, colour):
    return int((abs(image - colour).max(-1) <= 2).sum())


def test_the_picture_has_a_line_for_each_and_the_floor(tmp_path):
    image = drawn(tmp_path / "new" / "speed.png", rows=rows((16, 64, 256)))
    for colour in (NATIVE, EAGER):
        assert pixels(image, colour) > 200
    without = drawn(tmp_path / "without.png", rows=rows((16, 64, 256), floor=False))
    assert pixels(without, BLACK) < pixels(image, BLACK)
    assert image.shape[0] == pytest.approx(150 * 3.7, abs=2)


def test_a_panel_for_each_cell_and_size(tmp_path):
    one = rows((16, 64))
    many = [replace(row, cell=cell, T=T) for row in one for cell in ("lstm", "gru") for T in (10, 100)]
    small, large = (drawn(tmp_path / "p.png", rows=each).shape for each in (one, many))
    assert large[0] > 1.7 * small[0]
    assert large[1] > 1.5 * small[1]


def test_a_single_size_and_one_that_is_wrong(tmp_path):
    """A point, a dash for the floor, and no line for what was not timed; a contender of another name has a look too."""
    image = drawn(tmp_path / "p.png", rows=[*report().rows[:2], replace(report().rows[0], contender="mine")])
    assert pixels(image, NATIVE) > 20
    assert pixels(image, (0x5F, 0x66, 0x70)) > 20
