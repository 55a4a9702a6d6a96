import math

import pytest

from longlag.runs.error_flow_csv import COLUMNS, ErrorFlowTable, read_error_flow

LAGS = {"sequences": [2.0, 1.0], "dx": [-1.5, -300.25], "dx_10": [-2.0, -math.inf], "dh": [0.0, 1e-7]}


def test_what_is_written_is_read_back(tmp_path):
    table = ErrorFlowTable(tmp_path / "error_flow.csv")
    table.add(0, 1, {"sequences": [3.0], "dx": [-1.0]})
    table.write()
    table.add(20, 2, LAGS)
    table.write(durable=False)
    table.write()
    assert read_error_flow(table.path) == {(0, 1): {"sequences": [3.0], "dx": [-1.0]}, (20, 2): LAGS}
    lines = table.path.read_text().splitlines()
    assert lines[0] == ",".join(COLUMNS)
    assert [line.split(",")[:4] for line in lines[1:]] == [
        ["0", "1", "0", "3"],
        ["20", "2", "0", "2"],
        ["20", "2", "1", "1"],
    ]


def test_a_resumed_run_keeps_what_lies_before_it_and_takes_down_the_rest_anew(tmp_path):
    before = ErrorFlowTable(tmp_path / "error_flow.csv")
    for step in (0, 20, 40):
        before.add(step, 1, LAGS)
    before.write()
    after = ErrorFlowTable(before.path, until=20)
    after.add(30, 1, {"sequences": [1.0], "dx": [-9.0]})
    after.write()
    assert read_error_flow(before.path) == {(0, 1): LAGS, (20, 1): LAGS, (30, 1): {"sequences": [1.0], "dx": [-9.0]}}
    ErrorFlowTable(before.path).write()
    assert not before.path.exists()


def test_a_run_that_was_killed_while_it_wrote_goes_on_without_the_rest(tmp_path):
    before = ErrorFlowTable(tmp_path / "error_flow.csv")
    for step in (0, 20):
        before.add(step, 1, LAGS)
    before.write()
    before.path.write_text(before.path.read_text()[:-30])
    with pytest.raises(ValueError, match="its end is missing"):
        read_error_flow(before.path)
    ErrorFlowTable(before.path, until=0).write()
    assert read_error_flow(before.path) == {(0, 1): LAGS}


@pytest.mark.parametrize(
    "text",
    ["", "step,layer\n", "nonsense", "\x00\xff"]
    + [f"{','.join(COLUMNS)}\n{row}" for row in ("0,1,0,3", "0,1,1" + "," * 21, "0,1,0,three" + "," * 20)],
)
def test_a_file_that_is_something_else_or_was_cut_says_so(tmp_path, text):
    path = tmp_path / "error_flow.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"error_flow\.csv is not a table of error flow"):
        read_error_flow(path)


def test_a_file_that_is_not_there_is_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_error_flow(tmp_path / "error_flow.csv")
