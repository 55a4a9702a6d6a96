import matplotlib.image
import pytest

from longlag.cli.assemble import task_of
from longlag.cli.configs import conf_dir, settings_of
from longlag.show.picture import save_picture
from longlag.show.tracks import portraits

CUE, WANTED = (0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)


def pixels(path, colour):
    image = (matplotlib.image.imread(path)[..., :3] * 255).round()
    return int((abs(image - colour).max(-1) <= 2).sum())


@pytest.mark.parametrize("name", sorted(path.stem for path in (conf_dir() / "task").glob("*.yaml")))
def test_every_task_has_a_picture_with_its_cues_and_targets(name, tmp_path):
    task = task_of(settings_of([f"task={name}"]))
    drawn = portraits(task, task.draw("train", 0, 2).select(slice(2)))
    path = tmp_path / "new" / f"{name}.png"
    save_picture(drawn, f"{name}, T={task.T}", path, steps=120)
    assert path.read_bytes().startswith(b"\x89PNG")
    height, width, _ = matplotlib.image.imread(path).shape
    assert width == 900
    assert height < 2000
    assert (pixels(path, CUE) > 0) == any(bool(portrait.cues[:120].any()) for portrait in drawn)
    assert pixels(path, WANTED) > 0
