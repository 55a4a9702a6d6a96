import csv
import io
import json

import pytest
from made_report import MACHINE, measured, report

from longlag.benchmark.results import as_csv, as_json, left_out, rows_of


def test_the_figures_by_hand():
    native, wrong, eager = report().rows
    assert (native.size, native.contender, native.rounds) == (("lstm", 16, 32, 100, 2), "native", 3)
    assert (native.both_least_us, native.both_us, native.both_most_us) == (20.0, 25.0, 40.0)
    assert (native.forward_least_us, native.forward_us, native.forward_most_us) == (4.0, 8.0, 9.0)
    assert native.busy_cores == 0.9
    floor = 24 * 16 * 18 * 32 / 100e9 * 1e6
    assert native.floor_us == pytest.approx(floor) == pytest.approx(2.21184)
    assert native.forward_floor_us == pytest.approx(floor / 3)
    assert native.share == pytest.approx(floor / 25)
    assert (wrong.state, wrong.both_us, wrong.share, wrong.rounds) == ("wrong", None, None, 0)
    assert (eager.cell, eager.floor_us, eager.share, eager.both_us) == ("min_gru", None, None, 40.0)


def test_without_a_rate_there_is_no_floor():
    assert all(row.floor_us is None and row.share is None for row in rows_of(measured(), 0.0))


def test_who_is_left_out_is_said_once_for_all_cells():
    assert left_out(measured()) == {"scan": {"others": ["lstm", "min_gru"]}}


def test_json_read_back():
    found = json.loads(json.dumps(as_json(report()), allow_nan=False))
    assert found["machine"] == MACHINE
    assert (found["rate_gflops"], found["rate_of"]) == (100.0, "torch.mm 512 × 512")
    assert (found["settings"], found["notes"]) == ({"rounds": 3}, ["a note"])
    assert [row["contender"] for row in found["rows"]] == ["native", "wrong", "eager"]
    assert found["rows"][0]["both_us"] == 25.0
    assert found["rows"][1]["error"] is None  # which is not a number


def test_csv_read_back():
    rows = list(csv.DictReader(io.StringIO(as_csv(report()))))
    assert [(row["cell"], row["contender"], row["state"]) for row in rows] == [
        ("lstm", "native", "right"), ("lstm", "wrong", "wrong"), ("min_gru", "eager", "right"),
    ]  # fmt: skip
    assert float(rows[0]["both_us"]) == 25.0
    assert rows[1]["both_us"] == ""
    for row in rows:
        assert (row["cpu"], row["cores"], row["native"], row["rate_gflops"]) == ("a processor", "2", "avx2", "100.0")
    assert rows[0]["busy_cores"] == "0.9"
