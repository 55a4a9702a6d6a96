import matplotlib.image
import pytest

from longlag import build_task, compose
from longlag.settings.compose import conf_dir
from longlag.show.picture import save_picture
from longlag.show.sequence_tracks import sequence_tracks

CUE, WANTED = (0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)


def pixels(path, colour):
    image = (matplotlib.image.imread(path)[..., :3] * 255).round()
    return int((abs(image - colour).max(-1) <= 2).sum())


@pytest.mark.parametrize("name", sorted(path.stem for path in (conf_dir() / "task").glob("*.yaml")))
def test_every_task_has_a_picture_with_its_cues_and_targets(name, tmp_path):
    task = build_task(compose(f"task={name}"))
    drawn = sequence_tracks(task, task.draw("train", 0, 2).select(slice(2)))
    path = tmp_path / "new" / f"{name}.png"
    save_picture(drawn, f"{name}, T={task.T}", path, steps=120)
    assert path.read_bytes().startswith(b"\x89PNG")
    height, width, _ = matplotlib.image.imread(path).shape
    assert width == 900
    assert height < 2000
    assert (pixels(path, CUE) > 0) == any(bool(sequence.cues[:120].any()) for sequence in drawn)
    assert pixels(path, WANTED) > 0
