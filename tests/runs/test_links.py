"""Links inside of a run folder are not followed; a study may be one."""

import os

import pytest
from printed import runs

from longlag.runs import RunFolder
from longlag.runs.files import open_file, read_text, write_whole

PLACES = (
    "metrics.csv", "error_flow.csv", "train.log", "claim.json", ".claim.lock", "status.json", "config.yaml",
    "summary.json", "metrics.json", "checkpoints", "checkpoints/last.ckpt", "checkpoints/best.ckpt", "wandb",
    "wandb/run-id", "wandb/offline-run-20260101_000000-ab",
)  # fmt: skip


@pytest.fixture
def trained(longlag, tiny):
    assert longlag("train", *tiny).code == 0
    (run,) = runs()
    return run.folder.path


def laid(trained, name, outside, dangling):
    """Lay a link at a place, to something outside: what the run had there, or nothing yet."""
    place = trained / name
    place.parent.mkdir(exist_ok=True)
    if place.exists():
        place.rename(outside)
    elif not dangling:
        outside.write_text("mine\n")
    if dangling and outside.exists():
        outside.rename(outside.with_name("elsewhere"))
    place.symlink_to(outside)


def content(path):
    if path.is_dir():
        return {each.name: each.read_bytes() for each in path.iterdir()}
    return path.read_bytes() if path.exists() else None


@pytest.mark.parametrize(
    ("name", "dangling"),
    [*((name, False) for name in PLACES), *((name, True) for name in ("metrics.csv", ".claim.lock", "checkpoints"))],
)
def test_nothing_is_written_through_a_link(longlag, tiny, tmp_path, trained, name, dangling):
    outside = tmp_path / "outside"
    laid(trained, name, outside, dangling)
    before = content(outside)
    for command in ([*tiny], [f"resume={trained}"]):
        said = longlag("train", *command, "trainer.max_steps=8")
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert f"{name}: it is a symbolic link" in said.err
    assert content(outside) == before
    assert (trained / name).is_symlink()
    if name != ".claim.lock":  # a run that starts over does so beside it
        assert longlag("train", *tiny, "fresh=true").code == 0
        assert content(outside) == before


def test_nothing_is_read_through_a_link_to_an_endless_file(longlag, trained):
    (trained / "metrics.csv").unlink()
    (trained / "metrics.csv").symlink_to("/dev/zero")
    said = longlag("report", str(trained))
    assert (said.code, said.err) == (0, f"longlag: {trained}/metrics.csv cannot be read: it is a symbolic link\n")


def test_a_checkpoint_is_not_read_through_a_link(longlag, tmp_path, trained):
    laid(trained, "checkpoints/last.ckpt", tmp_path / "outside", dangling=False)
    said = longlag("jacobian", str(trained))
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert "last.ckpt: it is a symbolic link" in said.err


@pytest.mark.parametrize("place", ["outputs", "outputs/default"])
def test_a_study_or_its_folder_may_be_a_link(longlag, tiny, tmp_path, place):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).symlink_to(tmp_path / "elsewhere")
    assert longlag("train", *tiny).code == 0
    assert longlag("train", *tiny, "trainer.max_steps=8").code == 0
    assert len(runs()) == 1
    assert longlag("runs", "outputs/default").code == 0


def test_files_are_opened_at_their_places_alone(tmp_path):
    target, link, pipe = (tmp_path / name for name in ("target", "link", "pipe"))
    target.write_text("mine")
    link.symlink_to(target)
    os.mkfifo(pipe)
    for mode in ("r", "a", "w", "rb"):
        with pytest.raises(OSError, match="it is a symbolic link"):
            open_file(link, mode)
        with pytest.raises(OSError, match="it is a pipe"):
            open_file(pipe, mode)
        with pytest.raises(OSError, match="it is a folder"):
            open_file(tmp_path, mode)
    write_whole(link, "yours")
    assert (target.read_text(), link.read_text(), link.is_symlink()) == ("mine", "yours", False)
    with pytest.raises(ValueError, match="it is larger than 3 bytes"):
        read_text(target, most=3)
    RunFolder(tmp_path).check_places()
