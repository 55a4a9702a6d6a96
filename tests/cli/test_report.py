import json
import os
import re
import subprocess
import sys

import pytest
from studies import make_study


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "outputs" / "first", lags=(8,), biases=(0.0, 3.0), seeds=range(2))


def data_of(path):
    """What the page holds of the runs."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(found[1])


def test_the_page_lies_in_the_study_and_its_path_is_said(longlag, tmp_path, study):
    said = longlag("report", "outputs/first")
    assert (said.code, said.out, said.err) == (0, "outputs/first/report.html\n", "")
    page = tmp_path / "outputs" / "first" / "report.html"
    assert [run["name"] for run in data_of(page)["runs"]] == sorted(folder.path.name for folder in study)
    longlag("report", "outputs/first")  # the page in it is no run
    assert len(data_of(page)["runs"]) == 4
    assert not list(page.parent.glob(".report*"))  # no temporary file is left


def test_several_studies_are_one_page_in_the_current_folder(longlag, tmp_path, study):
    make_study(tmp_path / "outputs" / "second", lags=(8,), biases=(1.0,), seeds=[0])
    said = longlag("report", "outputs/first", "outputs/second")
    assert (said.code, said.out) == (0, "report.html\n")
    assert [run["study"] for run in data_of(tmp_path / "report.html")["runs"]] == ["first"] * 4 + ["second"]


def test_a_single_run_and_another_place(longlag, tmp_path, study):
    said = longlag("report", str(study[0].path), "--out", "one.html")
    assert (said.code, said.out) == (0, "one.html\n")
    assert len(data_of(tmp_path / "one.html")["runs"]) == 1


def test_figures_for_a_paper_come_on_top(longlag, tmp_path, study):
    said = longlag("report", "outputs/first", "--png", "figures")
    assert said.code == 0
    page, *figures = said.out.splitlines()
    assert page == "outputs/first/report.html"
    *figures, captions = figures
    assert captions == "figures/captions.md"
    assert figures
    for figure in figures:
        assert (tmp_path / figure).read_bytes().startswith(b"\x89PNG")


def test_figures_come_in_each_format_that_is_asked_for(longlag, tmp_path, study):
    said = longlag("report", "outputs/first", "--pdf", "print", "--svg", "print", "--png", "slides", "--width", "85")
    names = said.out.splitlines()[1:]
    assert (said.code, said.err, len(names), names.count("print/captions.md")) == (0, "", len(set(names)), 1)
    for kind, folder, begins in (("pdf", "print", b"%PDF"), ("svg", "print", b"<?xml"), ("png", "slides", b"\x89PNG")):
        (figure,) = (tmp_path / name for name in names if name == f"{folder}/solve_rate.{kind}")
        assert figure.read_bytes().startswith(begins)
    longlag("report", "outputs/first", "--png", "within", "--caption")
    assert not (tmp_path / "within" / "captions.md").exists()


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["cell.forget_bias=3"], [("3", 0), ("3", 1)]),
        (["forget_bias=3.0", "seed=1"], [("3", 1)]),
        (["forget_bias=0,3", "seed=0"], [("0", 0), ("3", 0)]),
    ],
)
def test_the_runs_can_be_chosen(longlag, tmp_path, study, words, left):
    assert longlag("report", "outputs/first", "--only", *words).code == 0
    runs = data_of(tmp_path / "outputs" / "first" / "report.html")["runs"]
    assert sorted((run["name"].split("-b")[1][0], int(run["name"].split("-seed")[1][0])) for run in runs) == left


def test_what_is_damaged_costs_a_line_each_and_no_page(longlag, tmp_path, study):
    first, second, third, fourth = (folder.path for folder in sorted(study, key=lambda folder: folder.path))
    (tmp_path / "outputs/first/notes").mkdir()
    (tmp_path / "outputs/first/a_file.txt").write_text("nothing to see")
    (first / "status.json").write_text("")
    half = (second / "metrics.csv").read_text()
    (second / "metrics.csv").write_text(half[: len(half) // 2])
    (second / "error_flow.csv").write_bytes(os.urandom(1000) + b"\xff")
    (third / "summary.json").write_text('{"solved": tr')
    (fourth / "metrics.csv").write_text("val/acc\n0.5\n")
    said = longlag("report", "outputs/first")
    assert said.code == 0
    lines = said.err.splitlines()
    assert all(line.startswith("longlag: ") for line in lines)
    place = "outputs/first"
    told = [
        f"{place}/{first.name} holds no run that can be read",
        f"{place}/{third.name} has ended and has no summary that can be read",
        f"{place}/notes holds no run that can be read",
        f"{place}/{second.name}/metrics.csv is not a table of metrics",
        f"{place}/{second.name}/error_flow.csv is not a table of error flow",
        f"{place}/{fourth.name}/metrics.csv is not a table of metrics",
    ]
    assert len(lines) == len(told)
    for line, start in zip(lines, told, strict=True):
        assert line.removeprefix("longlag: ").startswith(start)
    assert len(data_of(tmp_path / place / "report.html")["runs"]) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is no folder"),
        (["outputs"], "outputs holds studies, and no run of its own; outputs/* names them all"),
        (["outputs/first", "--out", "nowhere/page.html"], "--out: nowhere is no folder"),
        (["outputs/first", "--out", "outputs"], "--out: outputs is a folder; a file is wanted, such as outputs/report"),
        (["outputs/first", "--only", "cell"], "--only: 'cell' is not KEY=VALUE or KEY=VALUE,VALUE, such as cell=lstm"),
        (["outputs/first", "--only", "cel=lstm"], "--only: no run has 'cel'; cell, task, T, state and the settings"),
        (["outputs/first", "--only", "seed=7"], "--only: no run with seed=7; there is seed=0,1"),
        (["outputs/first", "--pdf", "print", "--width", "8.5"], "--width: 8.5 mm; from 50 to 1000 mm is wanted"),
        (["outputs/first", "--pdf", "print", "--width", "nan"], "--width: nan mm; from 50 to 1000 mm is wanted"),
        (["outputs/first", "--width", "85"], "--width and --caption are of the figures: name a folder with --pdf"),
        (["outputs/first", "--pdf", "a_file"], "--pdf: a_file is a file; a folder is wanted"),
        (["outputs/first", "--png", "a_file"], "--png: a_file is a file; a folder is wanted"),
        ([], "the following arguments are required: FOLDER; longlag report --help shows what there is"),
    ],
)
def test_wrong_requests_are_one_line(longlag, tmp_path, study, arguments, message):
    (tmp_path / "a_file").write_text("")
    said = longlag("report", *arguments)
    assert said.code == 2
    (line,) = said.err.splitlines()
    assert line.startswith(f"longlag: {message}")


def test_the_help_comes_without_the_heavy_packages():
    script = (
        "import sys\nfrom longlag.cli.main import main\n"
        "try:\n    main(['report', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'lightning', 'wandb', 'matplotlib', 'plotly', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "The file needs no network" in " ".join(done.stdout.split())
