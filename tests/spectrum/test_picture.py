import matplotlib.image
import numpy as np
import pytest

from longlag.spectrum.jacobian import Spectrum
from longlag.spectrum.picture import save_spectra

LARGEST, MIDDLE, SMALLEST = (0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2), (0x00, 0x9E, 0x73)


def drawn(lost, steps=(8, 5)):
    """Six numbers, of which some are lost over four steps, of sequences of two lengths."""
    ks = (1, 2, 4, 8)
    logs = -np.outer(ks, np.arange(6.0))[None].repeat(2, axis=0)  # [B, K, n]
    logs[:, 2:, 6 - lost :] = -np.inf
    logs[1, 3] = np.nan
    exponents = -np.arange(6.0)[None] * np.array([[1.0], [1.1]])
    exponents[:, 6 - lost :] = -np.inf
    return Spectrum(ks, np.array(steps), logs, exponents)


def pixels(path, colour, left):
    image = (matplotlib.image.imread(path)[..., :3] * 255).round()
    half = image[:, : image.shape[1] // 2] if left else image[:, image.shape[1] // 2 :]
    return int((abs(half - colour).max(-1) <= 2).sum())


@pytest.mark.parametrize(("lost", "layers"), [(0, 1), (0, 2), (2, 1), (6, 1)])
def test_the_picture_shows_what_there_is(lost, layers, tmp_path):
    path = tmp_path / "new" / "flow.png"
    save_spectra([(f"layer {k}", drawn(lost)) for k in range(layers)], "a run", path)
    height, width, _ = matplotlib.image.imread(path).shape
    assert (width, height) == (900, 360 * layers + 40)
    for colour in (LARGEST, MIDDLE, SMALLEST):
        assert pixels(path, colour, left=True) > 50
    assert (pixels(path, MIDDLE, left=False) > 50) == (lost < 6)


def test_a_line_ends_where_all_is_lost(tmp_path):
    """Over four steps all is lost: the lines end there, and the picture has less colour than one that goes on."""
    for lost in (0, 6):
        save_spectra([("layer 1", drawn(lost))], "a run", tmp_path / f"{lost}.png")
    assert pixels(tmp_path / "6.png", SMALLEST, left=True) < pixels(tmp_path / "0.png", SMALLEST, left=True)
