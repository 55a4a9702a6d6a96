"""``longlag reproduce``: what it would run, what it prints, and that it goes on."""

import json
from pathlib import Path

import pytest

from longlag.papers import read_paper, selected


def test_a_dry_run_names_the_commands_and_runs_nothing(longlag):
    said = longlag("reproduce", "hochreiter1997", "rows=3a,6a", "trials=2", "--dry-run")
    assert said.code == 0
    assert [line for line in said.out.splitlines() if not line.startswith(" ")] == [
        f"{name}: 2 of 2 trials to run" for name in ("3a-T100-N3", "3a-T100-N1", "3a-T1000-N3", "6a")
    ]
    assert "  longlag train -m experiment=hochreiter1997/6a 'seed=range(2)' study=hochreiter1997/6a" in said.out
    assert not Path("outputs").exists()


def test_a_beginning_of_a_name_cuts_no_number():
    rows = read_paper("hochreiter1997")
    assert [row.name for row in selected(rows, ["4-T100", "2c-q50", "3c"])] == [
        *("2c-q50-p50", "3c-T100-N3", "3c-T100-N1", "4-T100")
    ]


def test_a_table_without_trials_says_that_no_row_is_run(longlag):
    said = longlag("reproduce", "hochreiter1997", "--table")
    assert said.code == 0
    assert said.out.count("not run") == len(read_paper("hochreiter1997"))
    assert max(len(line) for line in said.out.splitlines() if "not run" in line) <= 80
    rows = json.loads(Path("outputs/hochreiter1997/table.json").read_text())["rows"]
    assert {row["verdict"] for row in rows} == {"not run"}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["hochreiter1979"], "no paper 'hochreiter1979'; did you mean hochreiter1997?"),
        (["hochreiter1997", "rows=7"], "no row '7': rows begin with 1, 2a, 2b, 2c, 3a, 3b, 3c, 4, 5, 6a, 6b"),
        (["hochreiter1997", "trials=0"], "trials must be a positive integer, got '0'"),
        (["hochreiter1997", "seed=1"], "longlag reproduce takes rows=…, trials=… and output_dir=…, got 'seed=1'"),
        (["hochreiter1997", "trials=1", "trials=2"], "trials is given twice"),
        ([], "the following arguments are required: PAPER, KEY=VALUE; longlag reproduce --help shows what there is"),
    ],
)
def test_a_wrong_request_is_a_line(words, wanted, longlag):
    said = longlag("reproduce", *words, as_typed=True)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"longlag: {wanted}\n"


@pytest.mark.slow
def test_trials_are_run_once_and_stand_in_the_table(longlag):
    words = ("reproduce", "hochreiter1997", "rows=3a-T100-N3", "trials=2")
    said = longlag(*words)
    assert said.code == 0
    assert "2 runs as one population" in said.err
    table = Path("outputs/hochreiter1997/table.json").read_text()
    early, late = json.loads(table)["rows"]
    assert [len(row["trials"]) for row in (early, late)] == [2, 2]
    for one, other in zip(early["trials"], late["trials"], strict=True):
        assert (one["seed"], one["wrong"]) == (other["seed"], None)
        assert other["sequences"] is None or one["sequences"] <= other["sequences"]  # ST2 demands ST1 and more
        assert 0 <= other["wrong"] <= 1
    assert "| 3a-T100-N3-ST2 | LSTM | 102 | 1 |" in Path("outputs/hochreiter1997/table.md").read_text()
    again = longlag(*words)
    assert (again.code, again.out, "population" in again.err) == (0, said.out, False)
    assert Path("outputs/hochreiter1997/table.json").read_text() == table
