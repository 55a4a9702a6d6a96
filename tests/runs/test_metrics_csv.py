import pytest

from longlag.runs.metrics_csv import MetricsTable, read_columns, read_metrics


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


def test_a_resumed_table_writes_the_kept_rows_as_they_were(tmp_path):
    table = MetricsTable(tmp_path / "metrics.csv")
    for step in (0, 20):
        table.add(step, {"sequences": 256 * step, "train/loss": 1.0, "a": 1e-300, "b": float("inf"), "c": -3})
    table.write()
    text = table.path.read_text()
    again = MetricsTable(table.path, until=20)
    again.write()
    assert again.path.read_text() == text
    assert text.splitlines()[1] == "0,0,1.0,1e-300,inf,-3"


@pytest.mark.parametrize(
    "text",
    ["", "step,a\n0,x\n", "step,a\n0,0.69", "step,a\n0\n", "a,b\n0,1\n", "step,a\n0,1,2\n", "\x00\n", "step,a\n,1\n"],
)
def test_a_file_that_is_no_such_table_or_was_cut_is_refused(tmp_path, text):
    """Half a number would pass for a number."""
    path = tmp_path / "metrics.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"metrics\.csv is not a table of metrics"):
        read_metrics(path)


@pytest.mark.parametrize(
    ("content", "names"), [(b"step,a,val/acc\n0,1,2\n", ["a", "val/acc"]), (b"", []), (b"a,b\n", []), (b"\xff\n", [])]
)
def test_the_names_of_the_metrics_are_in_the_first_line(tmp_path, content, names):
    assert read_columns(tmp_path / "metrics.csv") == []
    (tmp_path / "metrics.csv").write_bytes(content)
    assert read_columns(tmp_path / "metrics.csv") == names
