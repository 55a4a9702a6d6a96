"""The benchmark for a GPU: tried on the CPU with tiny sizes, and refused without a GPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from script_runs import NO_TRITON

BENCH = Path(__file__).parent.parent / "bench" / "gpu.py"
TINY = ("--pretend", "--hidden=4", "--runs=1,2", "--B=3", "--T=5", "--seconds=0.05")


def ended(*arguments, **variables):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables}
    command = [sys.executable, str(BENCH), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_a_line():
    said = ended()
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr == "bench/gpu.py measures on a GPU, and there is none here\n"


@NO_TRITON
def test_it_measures_what_can_be_measured_and_says_why_the_rest_is_not(tmp_path):
    said = ended(*TINY, f"--write={tmp_path / 'gpu.md'}", TRITON_INTERPRET="1")
    assert said.returncode == 0, said.stderr
    page = (tmp_path / "gpu.md").read_text()
    assert page.split() == said.stdout.split()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| 4 |")]
    assert [row[:2] for row in rows] == [["4", "1"], ["4", "2"]] * 2
    recurrence, training = rows[:2], rows[2:]
    for row in recurrence:
        assert all(float(each.replace(",", "")) > 0 for each in row[2:5]), page
        assert row[5] == "not measured"
    for row in training:
        assert all(float(each.replace(",", "")) > 0 for each in row[2:]), page
    assert "- not measured: flashrnn, H=4 R=1, H=4 R=2: measured on a GPU alone" in page


@NO_TRITON
def test_a_section_whose_time_is_over_is_not_measured(tmp_path):
    said = ended(*TINY, "--limit=0.1", f"--write={tmp_path / 'gpu.md'}", TRITON_INTERPRET="1")
    assert said.returncode == 0, said.stderr
    assert said.stdout.count("the time of the section was over") == 7
