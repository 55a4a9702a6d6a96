"""TensorBoard's own reader finds the figures of ``metrics.csv`` in the event files."""

import time

import numpy as np
import pytest

from longlag.runs import RunFolder, read_run
from longlag.runs.metrics_csv import read_metrics
from longlag.training.loggers.run_info import RunInfo

event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
from longlag.training.loggers.tensorboard_mirror import TensorBoardMirror  # noqa: E402


def read(folder):
    """Return what TensorBoard reads in a run folder: (metric, step) -> value."""
    events = event_accumulator.EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    return {(name, each.step): each.value for name in events.Tags()["scalars"] for each in events.Scalars(name)}


def rows(folder):
    table = read_metrics(RunFolder(folder).metrics)
    return {(name, step): np.float32(value) for step, row in table.items() for name, value in row.items()}


def curves(folder):
    return {place: value for place, value in read(folder).items() if not place[0].startswith("summary/")}


def folders(tmp_path):
    return sorted(path.parent for path in tmp_path.glob("outputs/*/*/config.yaml"))


@pytest.mark.parametrize("population", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_event_files_hold_the_figures_of_each_run(longlag, tiny, tmp_path, population):
    arguments = [*tiny, "logger=tensorboard", f"population={population}", "seed=0,1,2"]
    assert longlag("train", "-m", *arguments).code == 0
    found = folders(tmp_path)
    assert len(found) == 3
    for folder in found:
        assert ("val/loss", 6) in rows(folder)
        assert curves(folder) == rows(folder)
        summary = read_run(folder).summary
        assert {value for (name, _), value in read(folder).items() if name == "summary/parameters"} == {
            summary["parameters"]
        }
    assert len({tuple(sorted(curves(folder).items())) for folder in found}) == 3


def test_the_table_of_hyperparameters_has_the_settings(longlag, tiny, tmp_path):
    assert longlag("train", *tiny, "logger=tensorboard", "seed=5").code == 0
    (folder,) = folders(tmp_path)
    events = event_accumulator.EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    assert b"cell.hidden_size" in content
    assert b"longlag.cells.LSTMCell" in content


def test_a_run_that_goes_on_has_each_step_once(longlag, tiny, tmp_path):
    arguments = [*tiny, "logger=tensorboard"]
    assert longlag("train", *arguments).code == 0
    assert longlag("train", *arguments, "trainer.max_steps=10").code == 0
    (folder,) = folders(tmp_path)
    seen = curves(folder)
    assert {seen.pop((name, 6)) for name in ("test/acc", "test/loss")}  # of the end that is none any more
    assert ("val/loss", 10) in seen
    assert seen == rows(folder)


@pytest.mark.slow
def test_a_run_that_goes_on_hides_what_a_killed_process_wrote_after_the_checkpoint(tmp_path):
    folder = RunFolder(tmp_path)
    for resume_at, figures in ((None, {2: 0.25, 4: 0.5, 6: 0.75}), (4, {6: 0.125})):
        mirror = TensorBoardMirror(RunInfo(folder, {}, "name", "setting", "study", (), resume_at))
        for step, value in figures.items():
            mirror.record({"train/loss": value}, step)
        mirror.before_checkpoint()
        time.sleep(1.1)  # TensorBoard orders the files by the second in their names
    assert read(tmp_path) == {("train/loss", 2): 0.25, ("train/loss", 4): 0.5, ("train/loss", 6): 0.125}


def test_without_the_package_a_line_says_what_to_install(longlag, tiny, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None)
    said = longlag("train", *tiny, "logger=tensorboard")
    assert said.code == 2
    assert "logger: TensorBoard is not installed: pip install 'longlag[tensorboard]'" in said.err
