"""``longlag test`` on true runs."""

import csv
import json
from pathlib import Path

import pytest
import torch
from printed import runs

import longlag as face


@pytest.fixture
def trained(longlag, tiny):
    """Train runs and return the folder of the study."""

    def train(*overrides: str) -> str:
        assert longlag("train", "-m", *tiny, *overrides).code == 0
        return "outputs/default"

    return train


def rows_of(path):
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def test_at_its_own_lag_a_run_has_the_test_accuracy_of_its_summary(longlag, trained):
    trained("task.T=8", "cell.hidden_size=8", "trainer.max_steps=30", "optimizer.lr=0.03")
    (run,) = runs()
    said = longlag("test", str(run.folder.path), "task.T=8,20", "--sequences", "1024", "--json")
    assert (said.code, said.err) == (0, "")
    own, longer = json.loads(said.out)
    assert own["accuracy"] == pytest.approx(run.summary["test/acc"], abs=1e-9)  # the same sequences and weights
    assert own["loss"] == pytest.approx(run.summary["test/loss"], rel=1e-5)
    assert own["early_gradient"] == pytest.approx(run.summary["early_gradient_end"], rel=1e-9)
    for name in ("gradient_half_life", "direct_half_life"):
        wanted = run.summary[f"layer1/{name}"]
        assert own[name] == ("inf" if wanted is None else pytest.approx(wanted, rel=1e-9))
    assert (own["trained_T"], own["tested_T"], longer["tested_T"], own["step"]) == (8, 8, 20, run.status.step)
    stem = f"outputs/default/{run.folder.path.name}.other_lags"
    assert [row["tested_T"] for row in rows_of(f"{stem}.csv")] == ["8", "20"]
    assert json.loads(Path(f"{stem}.json").read_text()) == [own, longer]
    assert Path(f"{stem}.png").read_bytes().startswith(b"\x89PNG")


def test_a_longer_lag_is_the_model_on_longer_sequences(longlag, trained):
    """By hand: the task with another T, the weights of the checkpoint, and one step after the other."""
    trained("cell=gru", "task=latch", "task.T=5")
    (run,) = runs()
    said = longlag("test", str(run.folder.path), "task.T=17", "--sequences", "40", "--no-flow", "--json")
    (row,) = json.loads(said.out)
    read = face.load_run(run.folder.path)
    model, task = read.model("last"), read.task_at(17)
    batch = task.draw("test", 0, 40)
    assert batch.inputs.shape[1] == 17
    h = c = torch.zeros(40, 4)
    with torch.no_grad():
        for x in batch.inputs.unbind(1):
            h, c = model.cells[0](x, (h, c))
        accuracy = task.judge(model.readout(h), batch)["acc"].mean().item()
    assert row["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert (row["early_gradient"], row["gradient_half_life"]) == (None, None)


def test_a_study_is_a_map_of_trained_at_and_tested_at(longlag, trained):
    study = trained("task.T=6,8", "cell=rnn,lstm", "seed=range(2)")
    said = longlag("test", study, "--times", "1,2", "--sequences", "16")
    assert (said.code, said.err) == (0, "")
    assert max(map(len, said.out.splitlines())) <= 80
    lines = [line.split() for line in said.out.splitlines()]
    assert ["trained", "at", "1", "T", "2", "T"] in lines
    rows = rows_of(f"{study}/other_lags.csv")
    assert {(row["trained_T"], row["tested_T"]) for row in rows} == {("6", "6"), ("6", "12"), ("8", "8"), ("8", "16")}
    assert len(rows) == 2 * 2 * 2 * 2
    (line,) = [words for words in lines if words[:1] == ["rnn"] and words[2] == "T=8"]
    tested = [row for row in rows if (row["cell"], row["trained_T"], row["tested_T"]) == ("rnn", "8", "8")]
    mean = sum(float(row["accuracy"]) for row in tested) / 2
    assert line[3:5] == [f"{mean:.3f}", f"{sum(row['solved'] == 'True' for row in tested)}/2"]
    by_lag = longlag("test", study, "task.T=6,16", "--sequences", "16", "--no-flow")
    assert ["trained", "at", "6", "16"] in [line.split() for line in by_lag.out.splitlines()]


def test_the_criterion_is_that_of_the_task(longlag, trained):
    """A run that solves its task meets the criterion at its own lag; its weights before training do not."""
    settings = ("cell.hidden_size=8", "trainer.max_steps=100", "optimizer.lr=0.03", "stop_when_solved=false")
    trained("task=latch", "task.T=4", *settings)  # and on, until no sequence is wrong
    (run,) = runs()
    assert run.summary["solved_step"] is not None
    for checkpoint, solved in (("last", True), ("init", False)):
        said = longlag("test", str(run.folder.path), "task.T=4", "--checkpoint", checkpoint, "--json")
        (row,) = json.loads(said.out)
        assert row["solved"] is solved


def test_runs_that_cannot_be_tested_are_said_and_left_out(longlag, trained):
    study = trained("task=latch,noise_free_lag", "task.T=6", "seed=0")
    said = longlag("test", study, "task.T=9", "--sequences", "8", "--no-flow")
    assert said.code == 0
    (line,) = said.err.splitlines()
    assert "task.T=9 changes the task's input_size from" in line
    assert line.endswith("it is left out")
    assert [
        row["task"] for row in rows_of(f"{study}/other_lags.csv" if Path(study, "other_lags.csv").exists() else "")
    ] == ["latch"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["task.T=0"], "task.T must be integers from 1 to 1,000,000, got 0"),
        (["task.T=2"], "task: T must be an integer of at least 3 (2 bits and a gap), got 2"),
        ([], "no lags: type task.T=100,200 or --times 1,2,5,10"),
        (["task.T=9", "--times", "2"], "task.T and --times both say the lags; type one of them"),
        (["--times", "x"], "--times must be numbers above 0"),
        (["task.bits=3"], "longlag test changes task.T alone, got 'task.bits=3'"),
        (["task.T=9", "--sequences", "0"], "--sequences must be an integer from 1"),
        (["task.T=9", "--out", "nowhere/at/all"], "cannot write to nowhere/at/all"),
    ],
)
def test_a_wrong_request_is_one_line(longlag, trained, words, line):
    study = trained()
    said = longlag("test", study, *words)
    assert (said.code, said.out) == (2, "")
    (only,) = said.err.splitlines()
    assert line in only


def test_a_class_of_another_package_needs_the_word_of_the_reader(longlag, trained):
    study = trained()
    (run,) = runs()
    config = run.folder.path / "config.yaml"
    config.write_text(config.read_text().replace("longlag.cells.LSTMCell", "strangers.Cell"))
    said = longlag("test", study, "task.T=9")
    assert said.code == 2
    assert "strangers.Cell" in said.err
    assert "--trust" in said.err
