import pytest

from longlag.runs.metrics import MetricsTable, read_metrics


def test_rows_of_different_figures_are_written_and_read_back(tmp_path):
    table = MetricsTable(tmp_path / "metrics.csv")
    table.add(20, {"val/acc": 0.5})
    table.add(0, {"train/loss": 0.7, "early_gradient": 1e-300})
    table.add(20, {"val/loss": 0.1 + 0.2})
    table.write()
    assert read_metrics(table.path) == {
        0: {"train/loss": 0.7, "early_gradient": 1e-300},
        20: {"val/acc": 0.5, "val/loss": 0.1 + 0.2},
    }
    assert table.path.read_text().splitlines()[1].startswith("0,")


def test_a_resumed_table_keeps_the_rows_up_to_its_step(tmp_path):
    table = MetricsTable(tmp_path / "metrics.csv")
    for step in (0, 20, 40):
        table.add(step, {"a": float(step)})
    table.write()
    again = MetricsTable(table.path, until=20)
    assert list(again.rows) == [0, 20]
    assert MetricsTable(table.path).rows == {}


def test_a_file_that_is_no_such_table_is_refused(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,a\n0,x\n")
    with pytest.raises(ValueError, match="is not a table of metrics"):
        read_metrics(path)
