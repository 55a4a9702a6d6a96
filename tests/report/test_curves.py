from studies import make_study

from longlag.report.curves import read_curves
from longlag.runs import read_study


def test_the_curves_of_a_study_and_a_line_for_each_file_that_is_damaged(tmp_path):
    folders = make_study(tmp_path / "s", lags=(5,), biases=(0.0, 1.0), seeds=range(2))
    folders[0].metrics.write_text(folders[0].metrics.read_text()[:200])
    folders[1].error_flow.write_bytes(b"\x00\xff\x00")
    folders[2].error_flow.unlink()
    said = []
    curves = read_curves(read_study(tmp_path / "s"), said.append)
    by_path = {run.record.folder.path: run for run in curves}
    assert len(curves) == 4
    assert len(said) == 2
    assert any("metrics.csv is not a table of metrics" in line for line in said)
    assert any("error_flow.csv is not a table of error flow" in line for line in said)
    cut, binary, without, whole = (by_path[folder.path] for folder in folders)
    assert cut.metrics == {}
    assert set(cut.flow) == {(step, 1) for step in cut_steps(cut)}
    assert binary.flow == without.flow == {}
    assert binary.metrics
    assert without.metrics
    assert set(whole.metrics[0]) == {"early_gradient", "sequences", "train/loss", "val/acc", "val/loss"}
    assert len(whole.flow[0, 1]["dh"]) == 5


def cut_steps(run):
    return {step for step, _ in run.flow}
