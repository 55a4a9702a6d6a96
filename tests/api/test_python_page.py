"""The scripts in docs/python.md do what they say."""

import importlib.util
import re
from pathlib import Path

import torch

from longlag import load_study

ROOT = Path(__file__).parents[2]


def blocks():
    """The Python blocks of the page."""
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "python.md").read_text(), re.DOTALL | re.MULTILINE)


def test_the_first_script_trains_two_cells_reads_the_study_and_predicts(tmp_path, monkeypatch, capsys):
    spec = importlib.util.spec_from_file_location("door", ROOT / ".ci" / "door.py")
    door = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(door)
    script = door.first_script()
    assert script == blocks()[0]
    assert len(script.splitlines()) <= 15
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(script, "python.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[2:4]] == [run.settings["run"]["cell"] for run in names["study"]]
    assert {run.settings["run"]["cell"] for run in load_study("outputs/two_cells")} == {"lstm", "irnn"}
    assert printed[4].startswith("tensor([")
    assert names["best"].summary["val/acc"] == max(run.summary["val/acc"] for run in names["study"])


def test_the_layer_has_the_shapes_that_are_written_beside_it():
    names = {"longlag": __import__("longlag"), "x": torch.randn(3, 7, 2), "lengths": torch.tensor([7, 2, 5])}
    exec(compile(blocks()[1], "python.md", "exec"), names)
    assert names["outputs"].shape == (3, 7, 32)
    assert not names["outputs"][1, 2:].any()
    assert names["h"].shape == names["c"].shape == (2, 3, 32)
