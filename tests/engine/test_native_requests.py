"""The native engine from the command line: trained by, done without, and refused in one line."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from printed import runs

from longlag.engine import Native

NONE_HERE = "the native engine is built by a C++ compiler (g++ or clang++) and there is none here"


@pytest.fixture
def no_compiler(monkeypatch, forgotten, tmp_path):
    """An empty cache, and no compiler to be found."""
    monkeypatch.setenv("LONGLAG_CACHE", str(tmp_path.parent / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path.parent / "bin"))
    monkeypatch.delenv("CXX", raising=False)


def engine_in_log():
    """What the log of the one run says of its engine."""
    (run,) = runs()
    lines = (run.folder.path / "train.log").read_text().splitlines()
    return [line.partition("INFO longlag: ")[2] for line in lines if "engine=auto" in line]


@pytest.mark.parametrize("cell", ["lstm", "lstm_forget_2000", "gru"])
def test_a_run_learns_what_it_learns_by_the_eager_loop(longlag, tiny, cell):
    """Loss, accuracy and error flow: every figure agrees as far as float32 does."""

    def metrics(engine):
        said = longlag("train", f"cell={cell}", f"engine={engine}", f"study={engine}", *tiny)
        assert (said.code, said.err.count("\n")) == (0, 1), said.err
        with next(Path("outputs", engine).glob("*/metrics.csv")).open() as file:
            return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]

    ours, wanted = metrics("native"), metrics("eager")
    assert len(ours) == 4
    assert "val/loss" in ours[-1]
    assert "train/grad_norm" in ours[0]
    assert ours == [pytest.approx(row, rel=1e-4, abs=1e-7) for row in wanted]


def test_auto_says_in_the_log_that_it_serves(longlag, tiny):
    assert longlag("train", *tiny).code == 0
    assert engine_in_log() == [f"engine=auto runs LSTMCell by native ({Native().level})"]


def test_without_a_compiler_it_is_refused_in_one_line(longlag, no_compiler, tmp_path):
    said = longlag("train", "engine=native")
    assert (said.code, said.out, said.err) == (2, "", f"longlag: engine: {NONE_HERE}\n")
    assert list(tmp_path.iterdir()) == []


def test_without_a_compiler_a_run_is_trained_all_the_same_and_says_why_by_what(longlag, no_compiler, tiny):
    assert longlag("train", *tiny).code == 0
    assert engine_in_log() == [f"engine=auto runs LSTMCell by torch: {NONE_HERE}"]


def test_nor_does_a_cell_want_one_that_pytorch_has_not(longlag, no_compiler, tiny):
    assert longlag("train", "cell=lstm_coupled", *tiny).code == 0
    assert engine_in_log() == [f"engine=auto runs CoupledLSTMCell by eager: {NONE_HERE}"]


def test_a_compiler_that_is_named_and_not_there(longlag, no_compiler, monkeypatch):
    monkeypatch.setenv("CXX", "warp++")
    said = longlag("train", "engine=native")
    wanted = (
        "longlag: engine: the native engine is built by the compiler that CXX names, warp++, and there is none here\n"
    )
    assert (said.code, said.err) == (2, wanted)


def test_a_compiler_that_fails(longlag, no_compiler, monkeypatch, tmp_path):
    broken = tmp_path.parent / "broken++"
    broken.write_text("#!/bin/sh\necho 'error: no licence' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    said = longlag("train", "engine=native")
    assert (said.code, said.err) == (
        2,
        f"longlag: engine: {broken} cannot build the native engine: error: no licence\n",
    )


def test_instructions_that_are_not_there(longlag, forgotten, monkeypatch):
    monkeypatch.setenv("LONGLAG_NATIVE", "warp")
    said = longlag("train", "engine=native")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert said.err.startswith("longlag: engine: LONGLAG_NATIVE must be one of ")


def test_a_cell_that_it_has_not(longlag):
    said = longlag("train", "engine=native", "cell=mlstm")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert said.err.startswith("longlag: engine: engine=native runs LSTMCell, ")
    assert said.err.endswith("MLSTMCell is none of them (engine=eager runs it)\n")


def test_a_refusal_is_one_line_in_a_process_of_its_own(tmp_path):
    said = subprocess.run(
        [sys.executable, "-m", "longlag", "train", "engine=native"],
        cwd=tmp_path,
        env={**os.environ, "LONGLAG_NATIVE": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    wanted = "longlag: engine: LONGLAG_NATIVE=off switches the native engine off\n"
    assert (said.returncode, said.stdout, said.stderr) == (2, "", wanted)
