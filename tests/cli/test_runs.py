import csv
import io
import json

import pytest
from printed import runs, table


@pytest.fixture
def study(longlag, tiny):
    longlag("train", "-m", *tiny, "cell=rnn,lstm", "seed=range(2)", "study=one")
    return "outputs/one"


def test_the_table_is_that_of_the_grid(longlag, tiny, study):
    said = longlag("runs", study)
    assert said.code == 0
    assert [row[0] for row in table(said)] == ["lstm", "lstm", "rnn", "rnn"]
    assert "0 of 2" in said.out
    one = runs(study)[0].folder.path
    assert len(longlag("runs", str(one)).out.splitlines()) == 2  # a heading and a row


def test_json_and_csv_hold_all_settings_and_figures(longlag, study):
    rows = json.loads(longlag("runs", study, "--json").out)
    assert [row["cell"] for row in rows] == ["lstm", "lstm", "rnn", "rnn"]
    run = runs(study)[0]
    assert rows[0]["test/acc"] == run.summary["test/acc"]
    assert rows[0]["config.optimizer.lr"] == 3e-3
    assert (rows[0]["state"], rows[0]["folder"]) == ("done", str(run.folder.path))
    read = list(csv.DictReader(io.StringIO(longlag("runs", study, "--csv").out)))
    assert [row["seed"] for row in read] == ["0", "1", "0", "1"]
    assert float(read[0]["test/acc"]) == run.summary["test/acc"]
    assert read[2]["forget_bias"] == ""


def test_several_studies_at_once(longlag, tiny, study):
    longlag("train", *tiny, "cell=gru", "study=two")
    assert sorted({row[0] for row in table(longlag("runs", study, "outputs/two"))}) == ["gru", "lstm", "rnn"]


def test_what_is_no_run_costs_a_line_and_no_more(longlag, tmp_path, study):
    (tmp_path / study / "notes").mkdir()
    damaged = runs(study)[0].folder.path
    (damaged / "status.json").write_text("")
    (tmp_path / study / "read_me.txt").write_text("a file")
    said = longlag("runs", study)
    assert said.code == 0
    assert len(table(said)) == 3
    assert said.err.splitlines() == [
        f"longlag: {damaged} holds no run that can be read", f"longlag: {study}/notes holds no run that can be read",
    ]  # fmt: skip


def test_runs_that_go_on_or_failed_are_shown_as_what_they_are(longlag, study):
    for run, state in zip(runs(study), ("running", "failed"), strict=False):
        status = json.loads((run.folder.path / "status.json").read_text())
        (run.folder.path / "status.json").write_text(json.dumps({**status, "state": state}))
    assert [row[6] for row in table(longlag("runs", study))][:2] == ["running", "failed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no folder nowhere"),
        (["."], "no run in ."),
        ([".", "--xml"], "unrecognized arguments: --xml; longlag runs --help shows what there is"),
        ([".", "--json", "--csv"], "argument --csv: not allowed with argument --json; longlag runs --help shows"),
        ([], "the following arguments are required: FOLDER; longlag runs --help shows what there is"),
    ],
)
def test_wrong_requests_are_one_line(longlag, arguments, message):
    said = longlag("runs", *arguments)
    assert said.code == 2
    assert said.err.startswith(f"longlag: {message}")
    assert said.err.count("\n") == 1
