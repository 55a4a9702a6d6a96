"""The notebooks run from a fresh kernel in an empty folder, as a reader runs them."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LONGEST = 600  # seconds that a cell may take on a machine that does much else; a minute on an idle one


def read(name):
    import nbformat

    return nbformat.read(NOTEBOOKS / name, as_version=4)


def executed(notebook, folder, monkeypatch):
    """Run a notebook, and return what its code cells have printed, by their index."""
    from nbclient import NotebookClient

    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(folder / ".ipython"))
    NotebookClient(notebook, timeout=LONGEST, resources={"metadata": {"path": str(folder)}}).execute()
    return {
        index: "".join(output.get("text", "") for output in cell.outputs)
        for index, cell in enumerate(notebook.cells)
        if cell.cell_type == "code"
    }


def index_of(notebook, word):
    return next(index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code" and word in cell.source)


def test_the_exercise_is_its_solution_but_for_the_cell_that_is_to_be_written():
    exercise, solution = read("lstm_exercise.ipynb"), read("lstm_exercise_solution.ipynb")
    pairs = list(zip(exercise.cells, solution.cells, strict=True))
    differing = [left.source for left, right in pairs if left.source != right.source]
    assert len(differing) == 1
    assert differing[0].startswith("%%writefile my_cells.py")


@pytest.mark.parametrize("name", ["lstm_exercise.ipynb", "lstm_exercise_solution.ipynb", "read_a_study.ipynb"])
def test_a_notebook_holds_no_output_and_installs_longlag_only_where_it_is_not(name):
    cells = [cell for cell in read(name).cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    assert 'if importlib.util.find_spec("longlag") is None:\n    %pip install --quiet longlag' in cells[0].source


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # those of the kernel's own packages
def test_the_exercise_says_that_the_equations_are_missing(tmp_path, monkeypatch):
    notebook = read("lstm_exercise.ipynb")
    check = index_of(notebook, "check --exercise")
    notebook.cells = notebook.cells[: check + 1]
    assert "cannot take a step" in executed(notebook, tmp_path, monkeypatch)[check]


@pytest.mark.long
@pytest.mark.filterwarnings("default")
def test_the_solution_passes_all_checks_and_trains(tmp_path, monkeypatch):
    notebook = read("lstm_exercise_solution.ipynb")
    printed = executed(notebook, tmp_path, monkeypatch)
    assert "all that apply passed" in printed[index_of(notebook, "check --exercise")]
    assert (tmp_path / "outputs" / "bias" / "report.html").is_file()
    early = printed[index_of(notebook, "early_gradient_init")].splitlines()
    assert [line.split()[0] for line in early] == ["rnn"] * 3 + ["MyLSTM"] * 2


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_study_is_read(tmp_path, monkeypatch):
    if importlib.util.find_spec("pandas") is None:  # no dependency of longlag, so it is put beside
        packages, pins = tmp_path / "packages", NOTEBOOKS.parent / "constraints.txt"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages)]
        subprocess.run([*pip, "-c", str(pins), "pandas"], check=True)
        monkeypatch.setenv("PYTHONPATH", str(packages))
    notebook = read("read_a_study.ipynb")
    printed = executed(notebook, tmp_path, monkeypatch)
    assert "Lyapunov exponents: [" in printed[index_of(notebook, "step_jacobians")]
    assert (tmp_path / "accuracy.pdf").stat().st_size > 0
