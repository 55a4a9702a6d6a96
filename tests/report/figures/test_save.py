import re
import subprocess
import sys
from dataclasses import replace

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest
from made import run
from studies import make_study

from longlag.metric import Metric
from longlag.report.curves import read_curves
from longlag.report.figures import Layout, save_figures
from longlag.runs import RunFolder, read_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = tmp_path_factory.mktemp("outputs") / "made"
    make_study(path, lags=(10, 20), biases=(-1.0, 3.0), seeds=range(2))
    return read_curves(read_study(path))


NAMES = [
    "solve_rate.png", "val_acc.png", "early_gradient.png",
    "error_flow.png", "error_flow_cell.png", "error_flow_map.png",
]  # fmt: skip


@pytest.mark.slow
def test_a_study_gets_every_figure(study, tmp_path):
    before = dict(mpl.rcParams)
    written = save_figures(study, tmp_path / "new" / "figures")
    assert [path.name for path in written] == NAMES
    assert sorted(path.name for path in (tmp_path / "new" / "figures").iterdir()) == sorted(NAMES)
    for path in written:
        picture = matplotlib.image.imread(path)[..., :3]
        assert picture.shape[1] >= (900 if path.name == "error_flow_map.png" else 1650), "300 dots an inch"
        assert len(np.unique((picture.reshape(-1, 3) * 255).astype(int), axis=0)) > 50, "there is something in it"
        assert (picture[0] == 1).all(), "on white"
    assert dict(mpl.rcParams) == before


def test_figures_that_are_there_are_replaced(study, tmp_path):
    (tmp_path / "solve_rate.png").write_text("old")
    save_figures(study, tmp_path)
    assert (tmp_path / "solve_rate.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_a_figure_for_print_has_the_width_asked_for_and_its_letters_with_it(study, tmp_path, kind):
    drawn = save_figures(study, tmp_path, kind, Layout(85.0, caption=False))
    assert [path.name for path in drawn] == [name.replace("png", kind) for name in NAMES] + ["captions.md"]
    wide = {"pdf": rb"/MediaBox \[ 0 0 ([\d.]+) ", "svg": rb'<svg [^>]*width="([\d.]+)pt"'}[kind]
    for path in drawn[:-1]:
        written = path.read_bytes()
        assert float(re.search(wide, written)[1]) == pytest.approx(85 / 25.4 * 72, abs=0.01)
        assert (b"/FontFile2" in written and b"/Type3" not in written) if kind == "pdf" else b"<text" not in written
    again = save_figures(study, tmp_path / "again", kind, Layout(85.0, caption=False))
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in drawn], "no time, no chance"


def test_the_small_print_stands_in_the_figure_or_beside_it(study, tmp_path):
    within = save_figures(study, tmp_path / "within")
    beside = save_figures(study, tmp_path / "beside", layout=Layout(caption=False))
    assert [path.name for path in beside] == [*NAMES, "captions.md"]
    assert within[0].read_bytes() != beside[0].read_bytes()
    paragraphs = beside[-1].read_text().split("\n\n")
    assert [text.split("**")[1] for text in paragraphs] == [name.removesuffix(".png") for name in NAMES]
    assert "the 95 % interval of the rate (Wilson)" in paragraphs[0]


def test_without_error_flow_its_figures_are_left_out(study, tmp_path):
    runs = [type(one)(one.record, one.metrics, {}) for one in study]
    assert [p.name for p in save_figures(runs, tmp_path)] == ["solve_rate.png", "val_acc.png", "early_gradient.png"]


@pytest.mark.parametrize(
    ("runs", "names"),
    [
        ([], []),
        ([run(state="running"), run(state="failed", seed=1)], []),
        ([run(), run(T=None, bias=None, cell="rnn")], ["solve_rate.png"]),
        ([run({0: {"early_gradient": 0.0, "val/acc": 1}}, state="running")], ["val_acc.png", "early_gradient.png"]),
    ],
)  # fmt: skip
def test_whatever_there_is_is_drawn(runs, names, tmp_path):
    assert [path.name for path in save_figures(runs, tmp_path)] == names


def test_a_curve_that_a_run_declares_is_drawn(tmp_path):
    made = run({0: {"val/f1": 0.1, "val/loss": 0.5, "train/f1": 0.3}, 20: {"val/f1": 0.2}})
    folder = RunFolder(tmp_path)
    folder.write_metric_declarations([Metric("f1", "F1 $\\frac$ score")])
    declared = replace(made, record=replace(made.record, folder=folder))
    assert [path.name for path in save_figures([made], tmp_path)] == ["solve_rate.png"]
    assert [path.name for path in save_figures([declared], tmp_path)] == ["solve_rate.png", "val_f1.png"]


def test_names_of_any_kind_are_text_and_no_markup(tmp_path):
    runs = [run({0: {"val/acc": 0.5}}, cell=cell) for cell in ("my_{cell}$", "$\\frac$", "<b>", "$$", "a$_b$")]
    assert [path.name for path in save_figures(runs, tmp_path)] == ["solve_rate.png", "val_acc.png"]
    for one in runs:
        assert len(save_figures([one, run(cell=one.record.config["run"]["cell"], seed=1)], tmp_path)) == 2


def test_many_cells_at_many_lags_are_no_trouble(tmp_path):
    metrics = {0: {"val/acc": 0.5}, 20: {"val/acc": 0.7}}
    runs = [run(metrics, cell=f"cell{k}", T=T, bias=b) for k in range(12) for T in (20, 60) for b in (0.0, 1.0)]
    assert len(save_figures(runs, tmp_path)) == 2


def test_no_window_and_no_torch_is_needed():
    code = (
        "import sys, longlag.report.figures;"
        "print([m for m in ('torch', 'matplotlib.pyplot', 'scipy.stats') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
