"""``longlag jacobian`` on true runs."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from printed import runs

from longlag import compose
from longlag.runs import RunFolder, Status
from longlag.settings.compose import conf_dir

CELLS = sorted(path.stem for path in (conf_dir() / "cell").glob("*.yaml"))


@pytest.fixture
def trained(longlag, tiny):
    """Train a run and return its folder."""

    def train(*overrides: str) -> str:
        assert longlag("train", *tiny, *overrides).code == 0
        (run,) = runs()
        return str(run.folder.path)

    return train


def measured(longlag, folder, *options):
    said = longlag("jacobian", folder, "--json", *options)
    assert (said.code, said.err) == (0, "")
    return json.loads(said.out)


def test_the_table_of_a_trained_run(longlag, trained):
    folder = trained("cell=lstm")
    said = longlag("jacobian", folder)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == "lstm delayed_xor T=8 b=1 seed=0, last.ckpt, step 6"
    assert lines[2] == "layer 1, LSTMCell: a state s of 8 numbers (4 of h, 4 of c), 8 sequences"
    (layer,) = measured(longlag, folder)["layers"]
    assert layer["steps"] == [7] * 8
    rows = {line.split()[0]: line.split() for line in lines[5:10]}
    for each in layer["singular_values"]:
        wanted = [f"{each[name]:.3f}" for name in ("largest", "median", "smallest")]
        assert rows[str(each["k"])][1:4] == wanted
    assert lines[-1].split()[:2] == ["8", f"{layer['lyapunov']['mean'][-1]:.4f}"]


def test_it_is_the_trained_model_on_the_probe_sequences(longlag, trained):
    """By hand: the weights in the file, the task's probe, and one step after the other."""
    folder = trained("cell=rnn")
    found = measured(longlag, folder, "--sequences", "3")
    checkpoint = torch.load(Path(folder) / "checkpoints" / "last.ckpt", weights_only=True)
    assert found["step"] == checkpoint["global_step"] == 6
    W, b = (checkpoint["state_dict"][f"model.cells.0.W.{name}"].double() for name in ("weight", "bias"))
    from longlag import build_task

    x = build_task(RunFolder(Path(folder)).read_config()).draw("probe", 0, 3).inputs.double()
    assert found["layers"][0]["steps"] == [7, 7, 7]
    for row, values in enumerate(found["layers"][0]["singular_values"][0]["log10_by_sequence"]):
        h = torch.tanh(W[:, 4:] @ x[row, 0] + b)
        h = torch.tanh(W @ torch.cat([h, x[row, 1]]) + b)
        J = (1 - h**2)[:, None] * W[:, :4]
        assert values == pytest.approx(torch.linalg.svdvals(J).log10().tolist(), abs=1e-10)


def test_init_is_what_the_run_started_with(longlag, trained):
    """With a step size of 0 the last checkpoint has the weights of the start, and all figures must be equal."""
    folder = trained("optimizer=sgd", "optimizer.lr=0.0", "model.layers=2", "init=uniform", "seed=3")
    start, end = (measured(longlag, folder, "--checkpoint", name) for name in ("init", "last"))
    assert (start["step"], end["step"]) == (None, 6)
    assert start["layers"] == end["layers"]
    assert longlag("jacobian", folder, "--checkpoint", "init").out.splitlines()[0].endswith("the weights of the seed")


def test_training_changes_the_figures_and_best_is_another_checkpoint(longlag, trained):
    folder = trained("cell=lstm", "trainer.max_steps=40", "optimizer.lr=0.05", "stop_when_solved=false")
    found = {name: measured(longlag, folder, "--checkpoint", name) for name in ("init", "best", "last")}
    best = torch.load(Path(folder) / "checkpoints" / "best.ckpt", weights_only=True)["global_step"]
    assert (found["best"]["step"], found["last"]["step"]) == (best, 40)
    exponents = [str(each["layers"][0]["lyapunov"]["mean"]) for each in found.values()]
    assert len(set(exponents)) == (3 if best != 40 else 2)


def test_fewer_steps_are_the_first_ones(longlag, trained):
    folder = trained("cell=gru", "model.layers=2")
    whole, part = measured(longlag, folder), measured(longlag, folder, "--steps", "5")
    for long, short in zip(whole["layers"], part["layers"], strict=True):
        assert short["steps"] == [4] * 8
        assert [each["k"] for each in short["singular_values"]] == [1, 2, 4]
        for a, b in zip(long["singular_values"][:3], short["singular_values"], strict=True):
            assert a["log10_by_sequence"] == b["log10_by_sequence"]


def test_padding(longlag, trained):
    folder = trained("task=temporal_order", "task.T=12")
    (layer,) = measured(longlag, folder)["layers"]
    from longlag import build_task

    lengths = build_task(RunFolder(Path(folder)).read_config()).draw("probe", 0, 8).lengths
    assert layer["steps"] == (lengths - 1).tolist()
    assert len(set(layer["steps"])) > 1
    for each in layer["singular_values"]:
        assert each["sequences"] == sum(steps >= each["k"] for steps in layer["steps"])


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_runs_or_is_refused_in_one_line(longlag, tmp_path, cell):
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.write_config(compose(f"cell={cell}", "cell.hidden_size=4", "task.T=8"))
    folder.write_status(Status("running"))
    said = longlag("jacobian", "run", "--checkpoint", "init", "--sequences", "2")
    if cell == "causal_attention":
        assert said.code == 2
        assert said.err.startswith("longlag: the state of CausalAttentionCell grows from step to step")
        assert (said.err.count("\n"), said.out) == (1, "")
        return
    assert (said.code, said.err) == (0, "")
    assert ("as it is published" in said.out) == (cell in ("lstm_1997", "lstm_forget_2000"))


def test_a_picture(longlag, trained, tmp_path):
    folder = trained()
    said = longlag("jacobian", folder, "--png", "pictures/flow.png")
    assert said.out.splitlines()[-1] == "pictures/flow.png"
    assert (tmp_path / "pictures" / "flow.png").read_bytes().startswith(b"\x89PNG")
    said = longlag("jacobian", folder, "--json", "--png", "flow.png")
    json.loads(said.out)  # and nothing else on it
    assert said.err == "flow.png\n"
    said = longlag("jacobian", folder, "--png", f"{folder}/config.yaml/flow.png")
    assert said.code == 2
    assert said.err.startswith(f"longlag: --png: cannot write {folder}/config.yaml/flow.png: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: RUN; longlag jacobian --help shows what there is"),
        (["none"], "none holds no run: no config.yaml (No such file or directory)"),
        (["run", "--sequences", "0"], "--sequences must be an integer of at least 1, got 0"),
        (["run", "--steps", "1"], "--steps must be an integer of at least 2, got 1"),
        (["run", "--checkpoint", "first"], "argument --checkpoint: invalid choice: 'first'"),
        (["run"], "there is no run/checkpoints/last.ckpt; the checkpoint init is the weights with which"),
        (["."], ". holds no run: no config.yaml (No such file or directory); name one of its runs, such as old"),
        (["old"], "the config.yaml in old has no model: a run of this version has one"),
    ],
)
def test_wrong_requests_are_one_line(longlag, tmp_path, arguments, message):
    settings = compose("task.T=8")
    for name, left_out in (("run", ""), ("old", "model")):
        (tmp_path / name).mkdir()
        folder = RunFolder(tmp_path / name)
        folder.write_config({key: value for key, value in settings.items() if key != left_out})
        folder.write_status(Status("running"))
    said = longlag("jacobian", *arguments)
    assert said.code == 2
    assert said.err.startswith(f"longlag: {message}")
    assert said.err.count("\n") == 1


def test_a_checkpoint_that_does_not_fit_is_one_line(longlag, trained):
    folder = RunFolder(Path(trained("cell=rnn")))
    settings = folder.read_config()
    settings["cell"]["hidden_size"] = 5
    folder.write_config(settings)
    said = longlag("jacobian", str(folder.path))
    assert said.code == 2
    assert said.err.startswith(f"longlag: cannot use {folder.last_checkpoint}: RuntimeError: Error(s) in loading")
    assert said.err.count("\n") == 1
    folder.last_checkpoint.write_bytes(b"half of it")
    said = longlag("jacobian", str(folder.path))
    assert said.code == 2
    assert said.err.startswith(f"longlag: cannot use {folder.last_checkpoint}: ")
    assert said.err.count("\n") == 1


def test_weights_that_are_no_numbers_are_one_line(longlag, trained):
    folder = RunFolder(Path(trained("model.layers=2")))
    checkpoint = torch.load(folder.last_checkpoint, weights_only=True)
    checkpoint["state_dict"]["model.cells.1.W.bias"].fill_(math.nan)
    torch.save(checkpoint, folder.last_checkpoint)
    said = longlag("jacobian", str(folder.path))
    assert said.code == 2
    assert said.err == "longlag: layer 2: the Jacobian of LSTMCell is not finite from step 1 on\n"


def test_the_help_is_quickly_there():
    code = (
        "import sys\nfrom longlag.cli.main import main\ntry:\n    main(['jacobian', '--help'])\nexcept SystemExit:\n"
        "    assert not {'torch', 'lightning', 'matplotlib'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: longlag jacobian" in done.stdout
