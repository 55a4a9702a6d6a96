"""What a ``_target_`` may name, on the command line and in the run folder of a stranger."""

import copy
import json
import pickle

import pytest
import torch
import yaml
from printed import runs

import longlag as door
from longlag.runs import RunFolder
from longlag.settings.targets import check_trusted

MINE = """
from pathlib import Path
from longlag.cells import LSTMCell

Path(__file__).with_name("imported").touch()


class Cell(LSTMCell):
    pass
"""


class Touches:
    """Unpickled, it runs code."""

    def __reduce__(self):
        return __import__("pathlib").Path.touch, (__import__("pathlib").Path("owned"),)


CODE = "__import__('pathlib').Path('owned').touch()"
LOAD = {"_target_": "torch.load", "f": "code.pt", "weights_only": False}
EVALUATE = {"_target_": "sympy.sympify", "a": CODE}
SYSTEM = {"_target_": "os.system", "command": "touch owned"}
#: What a stranger may write into a config.yaml: a place, what stands there, and whether it is none of ours.
STRANGE = {
    "sympify for init": ("init", EVALUATE, True),
    "sympify in a cell": ("cell.extra", EVALUATE, True),
    "sympify in a list": ("callbacks.x", {"_target_": "lightning.Callback", "y": [[EVALUATE]]}, True),
    "a system": ("task.splits", SYSTEM, True),
    "a call that is put off": ("trainer.plugins", [{**SYSTEM, "_partial_": True}], True),
    "hydra": ("cell.extra", {"_target_": "hydra.utils.instantiate", "config": EVALUATE}, True),
    "a loader for init": ("init", LOAD, False),
    "a loader for an optimizer": ("optimizer", LOAD, False),
    "a loader for splits": ("task.splits", LOAD, False),
    "a loader for loggers": ("logger", LOAD, False),
    "a loader in a cell": ("cell.extra", LOAD, True),
    "a name through torch": ("cell", {"_target_": "torch.os.system", "command": "touch owned"}, False),
    "an engine": ("engine", LOAD, False),
}


@pytest.fixture
def trained(longlag, tiny, tmp_path):
    torch.save(Touches(), tmp_path / "code.pt")
    assert longlag("train", *tiny).code == 0
    (run,) = runs()
    return run.folder


def changed(folder: RunFolder, place, value):
    config = folder.read_config()
    node = config
    *parents, last = place.split(".")
    for key in parents:
        node = node[key]
    node[last] = value
    (folder.path / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.parametrize("name", STRANGE)
def test_nothing_of_a_strangers_folder_is_called(longlag, tmp_path, trained, name):
    place, value, foreign = STRANGE[name]
    changed(trained, place, copy.deepcopy(value))
    path = str(trained.path)
    of_a_model = place.split(".")[0] in ("cell", "init", "task", "engine")
    for trust in (False, True):
        for command in (["jacobian", path, *["--trust"] * trust], ["train", f"resume={path}", f"trust={trust}"]):
            if command[0] == "jacobian" and not of_a_model and not (foreign and not trust):
                continue  # it makes no such part
            said = longlag(*command, *(["trainer.max_steps=8"] if command[0] == "train" else []))
            assert (said.code, said.err.count("\n")) == (2, 1), said.err
            if foreign and not trust:
                ours = name == "a loader in a cell"  # of torch, and no layer
                reason = "an argument may only be a layer, a metric or a part of a Trainer" if ours else "run any code"
                assert f"{reason}; say " in said.err
    if foreign or of_a_model:
        with pytest.raises(door.RequestError):
            door.load_run(path).model("last")
    for command in (["runs", path], ["report", path], ["publish", "outputs/default", "--dry-run"]):
        assert longlag(*command).code == 0
    assert not (tmp_path / "owned").exists()


def test_a_cell_of_another_package_needs_the_readers_word_in_a_run_folder_alone(longlag, tiny, tmp_path):
    (tmp_path / "not_ours.py").write_text(MINE)
    mine = ("cell._target_=not_ours.Cell", *tiny)
    assert longlag("train", *mine).code == 0
    assert longlag("train", *mine, "trainer.max_steps=8").code == 0, "the settings are those that are typed"
    assert longlag("train", "-m", *mine, "seed=1,2", "trainer.max_steps=2").code == 0
    run = runs()[0]
    path = str(run.folder.path)
    (tmp_path / "imported").unlink()
    __import__("sys").modules.pop("not_ours")
    needs = f"{path} names not_ours.Cell (cell), which is not of longlag, torch, torchmetrics or lightning"
    for command, how in (
        (["jacobian", path], "say --trust"),
        (["train", f"resume={path}", "trainer.max_steps=10"], "say trust=true"),
    ):
        said = longlag(*command)
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
        assert needs in said.err
        assert how in said.err
    for read in (door.load_run(path), door.load_study("outputs/default")[0]):
        assert read.summary["steps"] == 8
        with pytest.raises(
            door.RequestError, match=r"not_ours\.Cell .* load_run\(folder, trust=True\) if you trust it"
        ):
            read.model("last")
    for command in (["runs", path], ["report", path], ["publish", "outputs/default", "--dry-run"]):
        assert longlag(*command).code == 0
    assert not (tmp_path / "imported").exists(), "it was not even imported"

    assert longlag("jacobian", path, "--trust").code == 0
    assert longlag("train", f"resume={path}", "trainer.max_steps=10", "trust=true").code == 0
    assert json.loads((run.folder.path / "status.json").read_text())["step"] == 10
    assert type(door.load_run(path, trust=True).model("last").cells[0]).__name__ == "Cell"
    assert type(door.load_study(path, trust=True)[0].task).__name__ == "DelayedXOR"
    assert "trust" not in run.folder.read_config()


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("cell._target_=torch.optim.Adam", "cell: torch.optim.Adam is not a longlag.cells.Cell"),
        ("cell._target_=torch.nn.LSTMCell", "cell: torch.nn.LSTMCell is not a longlag.cells.Cell"),
        ("cell._target_=builtins.dict", "cell: builtins.dict is not a torch.nn.Module, as longlag.cells.Cell is"),
        ("cell._target_=longlag.__main__.Cell", "cannot import longlag.__main__.Cell"),
        ("task._target_=torch.nn.Linear", "task: torch.nn.Linear is not a longlag.task.Task"),
        ("task.splits._target_=builtins.dict", "task.splits: builtins.dict is not a longlag.task.Splits"),
        ("optimizer._target_=torch.nn.Linear", "optimizer: torch.nn.Linear is not a torch.optim.Optimizer"),
        ("trainer._target_=lightning.Callback", "trainer: lightning.Callback is not a lightning.Trainer"),
        ("probe._target_=lightning.Callback", "probe: lightning.Callback is not a longlag.training.Probe"),
        ("+callbacks.x._target_=builtins.print", "callbacks.x: builtins.print is not a lightning.Callback"),
        ("+metrics.x._target_=math.sqrt", "metrics.x: math.sqrt is not a torchmetrics.Metric"),
        ("+init._target_=torch.load", "init: torch.load is not a function that starts a cell"),
        ("logger._target_=torch.nn.Linear", "logger: torch.nn.Linear is not a maker of loggers"),
        ("engine={_target_: torch.nn.Linear}", "engine: torch.nn.Linear is not a longlag.engine.Engine"),
        ("+cell.x={_target_: builtins.print}", "cell.x: builtins.print is not a class"),
        ("+cell.x={_target_: 7}", "cell.x: _target_ must be the name of a class, got 7"),
    ],
)
def test_each_place_takes_its_own_kind(longlag, tiny, typed, message):
    said = longlag("train", *tiny, typed)
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert said.err.startswith(f"longlag: {message}")


def test_what_a_run_of_ours_names_needs_no_word():
    settings = door.compose(
        "task=adding", "init=chrono", "optimizer=rmsprop", "trainer=ddp", "+metrics.m._target_=torchmetrics.MeanMetric",
        "+callbacks.t={_target_: lightning.pytorch.callbacks.Timer, x: {_target_: torch.nn.Tanh}}",
        "+trainer.profiler._target_=lightning.pytorch.profilers.SimpleProfiler",
    )  # fmt: skip
    check_trusted(settings, "here", "say so")
    for inside in ("torch.nn.init.zeros_", "torch.jit.CompilationUnit", "lightning.pytorch.cli.LightningCLI"):
        settings["cell"]["x"] = [{"y": {"_target_": inside}}]
        with pytest.raises(
            door.RequestError, match=rf"here names {inside} \(cell\.x\.0\.y\), .*; say so if you trust it"
        ):
            check_trusted(settings, "here", "say so")


@pytest.mark.parametrize("key", ["dirpath", "filename"])
def test_a_strangers_run_writes_no_files_elsewhere(longlag, tmp_path, trained, key):
    saves = {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint", key: str(tmp_path / "mine")}
    changed(trained, "callbacks.saves", {**saves, "every_n_train_steps": 1})
    said = longlag("train", f"resume={trained.path}", "trainer.max_steps=8")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert f"says where to write files: callbacks.saves.{key} is '{tmp_path / 'mine'}'; say trust=true" in said.err
    assert not list(tmp_path.glob("mine*"))
    assert longlag("train", f"resume={trained.path}", "trainer.max_steps=8", "trust=true").code == 0
    assert list(tmp_path.glob("mine*"))


def test_a_checkpoint_with_code_in_it_is_refused(longlag, tiny, tmp_path, trained):
    with (trained.checkpoints / "last.ckpt").open("wb") as file:
        pickle.dump({"state_dict": Touches(), "global_step": 6}, file)
    for command in (["jacobian", str(trained.path)], ["train", *tiny, "trainer.max_steps=8"]):
        said = longlag(*command)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert "last.ckpt: it holds something else than weights and figures" in said.err
    torch.save({"state_dict": {}, "global_step": 6, "x": Touches()}, trained.checkpoints / "last.ckpt")
    assert longlag("train", f"resume={trained.path}", "trainer.max_steps=8").code == 2
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "wrong",
    ["engine={}", "engine={a: 1}", "+callbacks.mine={}", "+callbacks.mine={a: 1}", "+metrics.f1={task: binary}"],
)
def test_a_part_without_a_class_is_refused_in_a_line(longlag, wrong):
    said = longlag("train", wrong, "logger=csv")
    assert said.code == 2
    assert said.err.startswith("longlag: ")
    assert said.err.count("\n") == 1
    assert wrong.lstrip("+").split("=")[0].split(".")[0] in said.err
