"""``longlag bench``, in true runs of tiny sizes."""

import csv
import io
import json
import os
import signal
import subprocess
import sys

import matplotlib.image
import pytest
import torch
from processes import started
from wrong_contenders import Wrong

from longlag.benchmark import contenders

SMALL = ("H=3", "B=2", "T=4", "R=1", "rounds=2")


def rows(said):
    """The rows of the table, as words, with what is measured before each."""
    return [line.split() for line in said.out.splitlines() if line.startswith("  ") and ":" not in line]


def test_the_table_has_every_contender_that_runs_the_cell(longlag):
    said = longlag("bench", "cell=lstm,min_gru", *SMALL, "contenders=eager,native,scan,bare")
    assert said.code == 0
    names = [words[0] for words in rows(said) if words[0] not in ("error", "first", "(s)")]
    assert names == ["native", "eager", "bare", "eager", "scan"]
    lines = said.out.splitlines()
    assert f"torch {torch.__version__}" in lines[0]
    assert any(line.startswith("lstm H=3 B=2 T=4 R=1, floor 0.0") for line in lines)
    assert "min_gru H=3 B=2 T=4 R=1" in lines
    assert "  scan (lstm): runs the cells that are linear in their state" in lines
    told = said.err.splitlines()
    assert told[0].startswith("2 sizes, about ")
    assert [line.split()[0] for line in told[1:]] == ["[1/2]", "[2/2]"]


def test_json_has_all_figures_and_the_machine(longlag):
    said = longlag("bench", "cell=rnn", *SMALL, "R=2", "T=4,6", "seed=3", "contenders=native,eager", "--json", "-")
    found = json.loads(said.out)
    assert [(row["T"], row["contender"], row["rounds"]) for row in found["rows"]] == [
        (4, "native", 2), (4, "eager", 2), (6, "native", 2), (6, "eager", 2),
    ]  # fmt: skip
    for row in found["rows"]:
        assert (row["cell"], row["H"], row["B"], row["R"], row["I"], row["state"]) == ("rnn", 3, 2, 2, 2, "right")
        assert row["error"] < 1e-5
        assert 0 < row["both_least_us"] <= row["both_us"] <= row["both_most_us"]
        assert 0 < row["forward_least_us"] <= row["forward_us"] <= row["forward_most_us"]
        assert row["floor_us"] == pytest.approx(6 * 1 * 3 * 5 * 2 / found["rate_gflops"] / 1e3)
        assert row["share"] == pytest.approx(row["floor_us"] / row["both_us"])
    assert found["machine"]["threads"] == 1
    assert (found["settings"]["seed"], found["settings"]["T"]) == (3, [4, 6])
    assert found["settings"]["contenders"] == ["native", "eager"]
    assert found["settings"]["interrupted"] is False


def test_all_files_at_once_are_of_one_measurement(longlag, tmp_path):
    files = [part for name in ("json", "csv", "md", "png") for part in (f"--{name}", f"speed.{name}")]
    said = longlag("bench", "cell=gru", *SMALL, "H=3,4", "contenders=eager,bare", *files)
    assert said.code == 0
    assert said.out.splitlines()[-4:] == ["speed.json", "speed.csv", "speed.md", "speed.png"]
    found = json.loads((tmp_path / "speed.json").read_text())
    read = list(csv.DictReader(io.StringIO((tmp_path / "speed.csv").read_text())))
    assert [float(row["both_us"]) for row in read] == [row["both_us"] for row in found["rows"]]
    text = (tmp_path / "speed.md").read_text()
    tabled = [line.split("|") for line in text.splitlines() if line.startswith("| gru | 3 ")]
    assert len(tabled) == 2
    printed = float(tabled[0][7].split()[0].strip("*").replace(",", ""))  # at least two digits of it are printed
    assert printed == pytest.approx(found["rows"][0]["both_us"], rel=0.05)
    assert matplotlib.image.imread(tmp_path / "speed.png").shape[2] == 4
    machine = found["machine"]["cpu"]
    assert machine in text
    assert {row["cpu"] for row in read} == {machine}
    assert machine in said.out


@pytest.mark.parametrize(("form", "start"), [("--csv", "cell,H,B,T,R,I,contender,"), ("--md", "")])
def test_a_form_that_is_printed_has_the_output_for_itself(longlag, form, start):
    said = longlag("bench", "cell=rnn", *SMALL, "contenders=eager", form, "-", "--png", "p.png")
    assert said.out.startswith(start)
    assert "left out:" not in said.out
    assert said.err.splitlines()[-1] == "p.png"


def test_a_wrong_contender_is_said_to_be_wrong_and_not_timed(longlag, monkeypatch):
    monkeypatch.setattr(contenders, "CONTENDERS", (Wrong, contenders.engines.EagerContender))
    said = longlag("bench", "cell=lstm", *SMALL)
    assert said.code == 1
    found = {words[0]: words for words in rows(said)}
    assert found["wrong"][1:2] + found["wrong"][3:] == ["1e-03", "wrong", "-", "-", "-", "-"]
    assert found["eager"][3] != "eager"
    assert "wrong: wrong for lstm H=3 B=2 T=4 R=1: its gradient is off by 1.0e-03: not timed" in said.out


def test_a_cell_of_ones_own_with_settings_of_its_own(longlag, tmp_path):
    (tmp_path / "my_bench_cells.py").write_text(
        "from longlag.cells import LSTMCell\n\n\nclass Mine(LSTMCell):\n    '''Another LSTM.'''\n"
    )
    said = longlag("bench", "cell._target_=my_bench_cells.Mine", *SMALL, "contenders=eager,native")
    assert said.code == 0
    assert "Mine H=3 B=2 T=4 R=1" in said.out
    assert "  native (Mine): it does not run this cell" in said.out
    said = longlag("bench", "cell.forget_bias=0,3", *SMALL, "contenders=eager", "--json", "-")
    assert [row["cell"] for row in json.loads(said.out)["rows"]] == ["lstm forget_bias=0", "lstm forget_bias=3"]


def test_compile_takes_part_when_it_is_asked_to(longlag, monkeypatch):
    """Nothing is compiled: who takes part is looked at."""
    seen = []
    monkeypatch.setattr("longlag.cli.bench._measure", lambda plan, *_: seen.append([k.name for k in plan.contenders]))
    for asked in ((), ("compile=true",), ("contenders=compiled,eager",), ("contenders=eager", "compile=True")):
        longlag("bench", "cell=lstm", *SMALL, *asked)
    usual, every, *few = seen
    assert "compiled" not in usual
    assert every == [*usual, "compiled"]
    assert few == [["eager", "compiled"]] * 2


def test_compile_is_said_to_be_left_out(longlag):
    said = longlag("bench", "cell=rnn", *SMALL)
    assert "compile=true lets it take part" in said.out


@pytest.mark.slow
def test_ctrl_c_prints_and_saves_what_was_measured(tmp_path):
    arguments = ("bench", "cell=rnn", "H=3,200", "B=2,200", "T=4,2000", "R=1", "rounds=30", "contenders=eager")
    with started(*arguments, "--json", "speed.json", cwd=tmp_path) as process:
        for line in process.stderr:
            if line.startswith("[2/8]"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert "rnn H=3 B=2 T=4 R=1" in out
    assert "interrupted after 1 of 8 sizes" in out
    found = json.loads((tmp_path / "speed.json").read_text())
    assert found["settings"]["interrupted"] is True
    assert found["rows"][0]["rounds"] == 30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["H=0"], "H takes positive integers, as in H=16,64; got 0"),
        (["B=x"], "B takes positive integers, as in B=16,64; got 'x'"),
        (["T="], "T takes positive integers, as in T=16,64; got ''"),
        (["rounds=0"], "rounds must be an integer of at least 1, got 0"),
        (["rounds=1,2"], "rounds must be an integer of at least 1, got [1, 2]"),
        (["seed=-1"], "seed must be an integer of at least 0, got -1"),
        (["threads=100000"], "threads=100000: there are "),
        (["device=tpu"], "device must be one of cpu, cuda; got 'tpu'"),
        (["compile=perhaps"], "compile must be true or false, got 'perhaps'"),
        (["contenders=eagre"], "no contender 'eagre'; there are: native, triton, eager, torch, scan, bare, flashrnn, "),
        (["cell=lstn"], "no cell 'lstn'; there are: "),
        (["cell.hidden_size=3"], "cell.hidden_size=3: H=… says it"),
        (["cell.hiden=3"], "no key 'cell.hiden'"),
        (["round=3"], "no key 'round'; did you mean rounds?"),
        (["xyz=3"], "no key 'xyz'; there are: cell, H, B, T, R, I, threads, rounds, seed, device, compile, contenders"),
        (["H=[16"], "cannot read 'H=[16': "),
        (["H"], "H wants a value, as in H=…"),
        (["cell=lstm_1997", "cell.block_size=2", "H=3"], "cell: "),
        (["cell=lstm", "contenders=scan", "H=3", "T=2"], "nothing to measure: runs the cells that are linear in"),
        (["--png", "-"], "--png -: one of --json, --csv and --md can be printed"),
        (["--csv", "-", "--json", "-"], "--csv -: one of --json, --csv and --md can be printed"),
        (["--json", "."], "--json: '.' is a folder; a file is wanted"),
        (["--md", "nowhere/speed.md"], "--md: nowhere is no folder"),
        (["--xml", "speed.xml"], "unrecognized arguments: --xml"),
    ],
)
def test_wrong_requests_are_one_line(longlag, arguments, message):
    said = longlag("bench", *arguments)
    assert said.code == 2
    assert said.out == ""
    line = said.err.splitlines()[-1]
    assert line.startswith(f"longlag: {message}")
    assert "Traceback" not in said.err
    if "nothing to measure" not in line:
        assert said.err.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_cuda_is_refused(longlag):
    said = longlag("bench", "device=cuda")
    assert (said.code, said.err) == (2, "longlag: device=cuda: PyTorch finds no GPU here\n")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to_is_said_beforehand(longlag, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    said = longlag("bench", "--json", "locked/speed.json")
    assert (said.code, said.err) == (2, "longlag: --json: cannot write to locked\n")


def test_the_help_is_quickly_there():
    code = (
        "import sys\nfrom longlag.cli.main import main\ntry:\n    main(['bench', '--help'])\nexcept SystemExit:\n"
        "    assert not {'torch', 'lightning', 'matplotlib', 'jax'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: longlag bench" in done.stdout
    assert "threads=1 (threads)" in " ".join(done.stdout.split())
