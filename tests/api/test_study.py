"""``longlag.load_study``: tidy tables of made-up runs, against the files that hold their figures."""

import csv
import sys

import pytest
from studies import make_study

from longlag import RequestError, Run, load_run, load_study


@pytest.fixture
def study(tmp_path):
    make_study(tmp_path / "first", lags=(5, 8), biases=(0.0, 1.0), seeds=range(2))
    return load_study(tmp_path / "first")


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_study_is_a_sequence_of_runs(study, tmp_path):
    assert len(study) == 8
    assert all(isinstance(run, Run) for run in study)
    best = max(study, key=lambda run: run.summary["early_gradient_init"])
    assert best.summary["early_gradient_init"] == max(row["early_gradient_init"] for row in study.runs(as_="records"))
    assert study[0].path == study.records[0].folder.path
    assert [run.path for run in study[2:4]] == [study[2].path, study[3].path]
    assert (repr(study), repr(study[1:])) == ("Study of 8 runs", "Study of 7 runs")


def test_one_row_a_run(study):
    rows = study.runs(as_="records")
    assert [(row["T"], row["forget_bias"], row["seed"]) for row in rows] == [
        (T, bias, seed) for T in (5, 8) for bias in (0.0, 1.0) for seed in (0, 1)
    ]
    for row, run in zip(rows, study, strict=True):
        assert row["folder"] == str(run.path)
        assert row["state"] == run.status.state
        assert row["test/acc"] == run.summary["test/acc"]
        assert row["config.optimizer.lr"] == run.settings["optimizer"]["lr"]


def test_one_row_a_run_and_step(study):
    rows = study.curves(as_="records")
    for run in study:
        mine = [row for row in rows if row["folder"] == str(run.path)]
        stored = rows_of(run.path / "metrics.csv")
        assert [row["step"] for row in mine] == [int(row["step"]) for row in stored]
        assert [row["val/acc"] for row in mine] == [float(row["val/acc"]) for row in stored]
        assert {(row["T"], row["seed"]) for row in mine} == {(run.settings["task"]["T"], run.settings["seed"])}


def test_one_row_a_run_step_layer_and_lag(study):
    rows = study.error_flow(as_="records")
    assert len(rows) == sum(len(rows_of(run.path / "error_flow.csv")) for run in study)
    run = study[5]
    mine = [row for row in rows if row["folder"] == str(run.path)]
    for row, stored in zip(mine, rows_of(run.path / "error_flow.csv"), strict=True):
        assert (row["step"], row["layer"], row["lag"]) == tuple(int(stored[key]) for key in ("step", "layer", "lag"))
        assert (row["dx"], row["dc_direct_90"]) == (float(stored["dx"]), float(stored["dc_direct_90"]))
        assert (row["cell"], row["T"], row["forget_bias"]) == ("lstm", 8, 0.0)


def test_the_settings_in_which_runs_differ_are_joined(study, tmp_path):
    record = study.records[0]
    record.folder.write_config({**record.config, "optimizer": {**record.config["optimizer"], "lr": 0.5}})
    changed = load_study(tmp_path / "first")
    values = {row["config.optimizer.lr"] for row in changed.curves(as_="records")}
    assert values == {0.5, record.config["optimizer"]["lr"]}
    assert "config.optimizer.lr" not in study.curves(as_="records")[0]


def test_several_folders_and_single_runs_each_once(study, tmp_path):
    make_study(tmp_path / "second", lags=(5,), biases=(0.0,), seeds=range(1))
    several = load_study([tmp_path / "first", str(tmp_path / "second"), study[0].path])
    assert len(several) == 9
    assert load_study(study[0].path)[0].path == load_run(study[0].path).path


def test_what_cannot_be_read_is_a_warning(study, tmp_path):
    (study[0].path / "metrics.csv").write_text("step,val/acc\n0,0.")
    with pytest.warns(UserWarning, match=r"metrics.csv is not a table of metrics: its end is missing"):
        rows = study.curves(as_="records")
    assert str(study[0].path) not in {row["folder"] for row in rows}
    (tmp_path / "first" / "notes").mkdir()
    with pytest.warns(UserWarning, match="notes holds no run that can be read"):
        assert len(load_study(tmp_path / "first")) == 8
    heard = []
    assert len(load_study([tmp_path / "first", "none"], warn=heard.append)) == 8
    assert heard[-1] == "none is no folder"


@pytest.mark.parametrize(("folder", "message"), [("none", "none is no folder"), (".", "no run in .")])
def test_no_run_is_an_error(folder, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError, match=message):
        load_study(folder)


def test_without_pandas_there_is_one_clear_line(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)  # as if it were not installed
    for table in (study.runs, study.curves, study.error_flow):
        with pytest.raises(RequestError) as refused:
            table()
        assert str(refused.value) == 'pandas is not installed (pip install pandas); as_="records" gives a list of dicts'
    with pytest.raises(RequestError, match="as_ must be pandas or records, got 'polars'"):
        study.runs(as_="polars")
