"""The face of the package: what ``import longlag`` costs and offers, what may import what, and where it runs."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import longlag
from longlag import cells, layers, tasks
from longlag.task import Task

ROOT = Path(__file__).parents[1]


def python(code, **options):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **options)


def test_it_is_light():
    code = (
        "import sys, longlag\ndir(longlag)\n"
        "heavy = {'torch', 'lightning', 'hydra', 'omegaconf', 'numpy', 'pandas', 'wandb', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "settings = longlag.compose('cell=gru', 'task.T=40')\n"
        "assert (settings['run']['cell'], settings['run']['T']) == ('gru', 40)\n"
    )
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_name_is_there_and_mypy_sees_the_same():
    for name in longlag.__all__:
        assert getattr(longlag, name) is not None
    assert dir(longlag) == sorted(longlag.__all__)
    assert set(layers.__all__) - {"RecurrentLayer"} < set(longlag.__all__)
    for node in ast.parse(inspect.getsource(longlag)).body:
        if isinstance(node, ast.If):
            typed = {alias.name for statement in node.body for alias in statement.names}
    assert typed | {"__version__"} == set(longlag.__all__)
    with pytest.raises(AttributeError, match="module 'longlag' has no attribute 'trian'"):
        longlag.trian  # noqa: B018


@pytest.mark.parametrize("package", ["cells", "tasks", "training", "task", "runs", "layers"])
def test_every_name_of_a_package_is_at_its_face(package):
    module = importlib.import_module(f"longlag.{package}")
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_every_cell_and_task_is_at_the_face_of_its_package():
    for package, folder, base in (
        (cells, ROOT / "src" / "longlag" / "cells", cells.Cell),
        (tasks, ROOT / "tasks", Task),
    ):
        for path in folder.glob("[!_]*.py"):
            module = importlib.import_module(f"{package.__name__}.{path.stem}")
            for name, kind in vars(module).items():
                concrete = inspect.isclass(kind) and kind.__module__ == module.__name__ and not inspect.isabstract(kind)
                if concrete and issubclass(kind, base) and not name.startswith("_"):
                    assert getattr(package, name) is kind


@pytest.mark.parametrize("path", sorted((ROOT / "tasks").glob("*.py")), ids=lambda path: path.stem)
def test_a_task_imports_what_a_task_is_and_no_more(path):
    """A task of the reader's own can then do all that ours do."""
    allowed = {"torch", *sys.stdlib_module_names}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module == "longlag.task" or node.module.split(".")[0] in allowed


def test_a_cell_of_the_face_is_a_module_of_torch():
    assert isinstance(longlag.LSTM(2, 4), torch.nn.Module)
    assert isinstance(longlag.build_cell(longlag.compose("cell=gru")), cells.GRUCell)


def test_windows_gets_one_clear_line():
    code = (
        "import sys\nfrom longlag.cli.main import main\n"
        "sys.platform, sys.modules['fcntl'] = 'win32', None  # as there\nsys.exit(main(['runs', '.']))"
    )
    done = python(code)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "longlag: longlag runs on Linux and macOS; on Windows, install it in WSL (Windows Subsystem for Linux)\n"
    )


def test_the_folder_of_runs_is_in_a_clone():
    listed = subprocess.run(
        ["git", "ls-files", "outputs"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert listed == ["outputs/.gitignore"]
    assert (ROOT / listed[0]).read_text().startswith("# Runs land here")
    ignored = subprocess.run(["git", "check-ignore", "outputs/first/run/status.json"], cwd=ROOT, check=False)
    assert ignored.returncode == 0
