"""What one types in Python, each piece in a process and a folder of its own, with the Python that runs this file.

``python .ci/door.py`` runs all pieces; ``.ci/wheel-check`` calls it with the Python of an environment that has the
wheel alone.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"
LONGEST = 15  # lines that its first script may have

COMPOSE = """
import longlag
settings = longlag.compose("cell=gru", "task.T=40")
assert settings["cell"]["_target_"] == "longlag.cells.GRUCell" and settings["task"]["T"] == 40, settings
assert type(settings) is dict and type(settings["task"]) is dict
try:
    longlag.compose("cell.hiden_size=8")
except longlag.RequestError as error:
    assert str(error) == "no key 'cell.hiden_size'; did you mean cell.hidden_size?", error
else:
    raise AssertionError("a wrong key is refused")
"""
BUILD = """
import longlag, torch
settings = longlag.compose("cell=lstm_peephole", "task=adding", "task.T=10", "model.layers=2")
task = longlag.build_task(settings)
batch = task.draw("test", 0, 4)
assert longlag.build_model(settings, task)(batch.inputs, batch.lengths).shape == (4, task.output_size)
assert isinstance(longlag.build_model(settings), longlag.SequenceModel)
cell = longlag.build_cell(settings, input_size=3)
h, c = cell(torch.zeros(5, 3), cell.initial_state(5))
assert h.shape == c.shape == (5, 32)
"""
TRAIN = """
import longlag
settings = longlag.compose("task.T=5", "trainer.max_steps=4", "trainer.val_check_interval=2", "study=first")
run = longlag.train(settings, output_dir="mine")
assert run.path.parent.name == "first" and run.status.state in ("solved", "done") and run.summary["steps"] > 0
again = longlag.load_run(run.path)
batch = again.task.draw("test", 0, 3)
for checkpoint in ("best", "last"):
    assert again.model(checkpoint)(batch.inputs, batch.lengths).shape == (3, 2)
assert again.step("last") == run.summary["steps"] and again.settings["study"] == "first"
study = longlag.load_study("mine/first")
assert len(study) == 1 and study.runs(as_="records")[0]["T"] == 5
assert study.curves(as_="records")[0]["step"] == 0
assert {row["lag"] for row in study.error_flow(as_="records")} == set(range(5))
try:
    print(study.runs().groupby("cell")["test/acc"].mean(), study.error_flow().columns)
except longlag.RequestError as error:
    assert str(error).startswith("pandas is not installed (pip install pandas)"), error
"""
LAYERS = """
import longlag, torch
x, lengths = torch.randn(3, 7, 2), torch.tensor([7, 2, 5])
for layer in (longlag.LSTM(2, 8, num_layers=2), longlag.layer("lstm_peephole", 2, 8, num_layers=2, forget_bias=3.0)):
    outputs, (h, c) = layer(x, lengths=lengths)
    assert outputs.shape == (3, 7, 8) and h.shape == c.shape == (2, 3, 8)
    assert not outputs[1, 2:].any() and torch.equal(h[1, 1], outputs[1, 1])
    outputs.sum().backward()
    assert isinstance(layer, torch.nn.Module) and all(p.grad is not None for p in layer.parameters())
"""
FACES = """
import longlag
from longlag.cells import GRUCell, LSTMCell, PeepholeLSTMCell
from longlag.tasks import Adding, DelayedXOR, TemporalOrder
from longlag.training import SequenceModule
from longlag import SequenceModel, SequenceModule as same
assert same is SequenceModule and longlag.tasks.Adding is Adding and longlag.cells.LSTMCell is LSTMCell
model = SequenceModel(LSTMCell(2, 8), output_size=2)
task = DelayedXOR(T=10)
batch = task.draw("test", 0, 4)
assert model(batch.inputs, batch.lengths).shape == (4, 2)
for name in longlag.__all__:
    getattr(longlag, name)
for name in longlag.tasks.__all__:
    getattr(longlag.tasks, name)
"""
LIGHT = """
import sys
import longlag
dir(longlag), longlag.__version__
heavy = {"torch", "lightning", "hydra", "omegaconf", "pandas", "numpy", "wandb", "rich"} & set(sys.modules)
assert not heavy, heavy
"""
TYPED = """
from importlib.resources import files
import longlag
assert files("longlag").joinpath("py.typed").is_file()
"""
PIECES = {
    "light": LIGHT,
    "compose": COMPOSE,
    "build": BUILD,
    "train": TRAIN,
    "layers": LAYERS,
    "faces": FACES,
    "typed": TYPED,
}

#: A task of the reader's own beside nothing of ours; the file is called like our folder.
THEIRS = """
from longlag.tasks import DelayedXOR


class Echo(DelayedXOR):
    \"\"\"Ours, under a name of theirs.\"\"\"
"""


def first_script() -> str:
    """Return the first script of docs/python.md."""
    script = re.search(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert script is not None
    assert len(script[1].splitlines()) <= LONGEST
    return script[1]


def run(command: list[str], folder: Path) -> str:
    """Run a command in a folder and return what it printed; the process ends if it fails."""
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)[:2000]}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def reader_tasks(command: list[str], file: str) -> None:
    """Train a task of the reader's own, from ``tasks.py`` or from a folder ``tasks``, both named like ours."""
    module = file.removesuffix(".py").replace("/", ".")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, file)
        path.parent.mkdir(exist_ok=True)
        path.write_text(THEIRS)
        small = ["task.T=5", "trainer.max_steps=1", "trainer.val_check_interval=1", "logger=csv"]
        printed = run([*command, "train", f"task._target_={module}.Echo", *small], Path(folder))
        assert "Echo" in printed, printed


def main() -> None:
    """Run all pieces, or those that are named on the command line."""
    for name, piece in {**PIECES, "page": first_script()}.items():
        if name in (sys.argv[1:] or (*PIECES, "page")):
            with tempfile.TemporaryDirectory() as folder:
                Path(folder, "piece.py").write_text(piece)
                run([sys.executable, "piece.py"], Path(folder))
            print(f"door: {name}")
    if "tasks" in (sys.argv[1:] or "tasks"):
        reader_tasks([str(Path(sys.executable).with_name("longlag"))], "tasks/mine.py")
        reader_tasks([sys.executable, "-m", "longlag"], "tasks.py")
        print("door: tasks")


if __name__ == "__main__":
    main()
