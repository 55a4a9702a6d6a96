import csv
import io
import json
import os
import subprocess
import sys

import pytest
from printed import runs, table

from longlag.runs.claim import Claim


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
        f"longlag: {damaged} holds no run that can be read: status.json: it holds something else: Invalid JSON: EOF"
        " while parsing a value at line 1 column 0",
        f"longlag: {study}/notes holds no run that can be read",
    ]


def test_a_damaged_run_is_no_traceback(longlag, tmp_path, study):
    first, second, third = (run.folder.path for run in runs(study)[:3])
    (first / "config.yaml").write_text("run: null\n")
    (second / "summary.json").write_text('{"solved": true, "solved_ste')
    (third / "summary.json").write_text('{"solved": true, "solved_step": "soon"}')
    said = longlag("runs", study)
    assert said.code == 0
    assert said.err.splitlines() == [
        f"longlag: {first} holds no run that can be read: config.yaml: it is no configuration of a run: run: Input"
        " should be a valid dictionary",
        f"longlag: {second} has ended and has no summary that can be read: it counts in no rate",
    ]
    assert len(table(said)) == 3
    assert "0 of 2" in said.out  # of the two RNNs
    assert "of 1" not in said.out  # the LSTM that is left says nothing


def test_a_folder_that_is_named_twice_counts_once(longlag, study):
    assert len(table(longlag("runs", study, f"{study}/", "outputs/../" + study))) == 4


def test_a_file_among_the_folders_costs_a_line(longlag, tmp_path, study):
    (tmp_path / "outputs" / "notes.txt").write_text("")
    said = longlag("runs", study, "outputs/notes.txt")
    assert (said.code, said.err) == (0, "longlag: outputs/notes.txt is no folder\n")


def test_studies_that_differ_in_a_setting_that_one_of_them_has_not_are_not_pooled(longlag, tiny):
    longlag("train", *tiny, "study=a")
    longlag("train", *tiny, "+optimizer.weight_decay=0.1", "study=b")
    said = longlag("runs", "outputs/a", "outputs/b")
    assert "optimizer.weight_decay" in said.out
    assert said.out.count("0 of 1") == 0  # single runs, so no rates


@pytest.mark.parametrize("form", ["--csv", "--json"])
@pytest.mark.parametrize("many", [True, False])
def test_a_reader_that_has_seen_enough_is_no_traceback(tmp_path, study, form, many):
    """What is printed fills the buffer, or waits in it until the end."""
    command = [sys.executable, "-m", "longlag", "runs", study if many else runs(study)[0].folder.path, form]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=buffered, **pipes) as process:
        process.stdout.close()  # long before anything is written
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_runs_that_go_on_or_failed_are_shown_as_what_they_are(longlag, study):
    for run, state in zip(runs(study), ("running", "failed"), strict=False):
        status = json.loads((run.folder.path / "status.json").read_text())
        (run.folder.path / "status.json").write_text(json.dumps({**status, "state": state}))
    with Claim(runs(study)[0].folder.path):
        assert [row[6] for row in table(longlag("runs", study))][:2] == ["running", "failed"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is no folder"),
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
