"""Environment variables in settings: a run gets the value, and what it leaves behind tells the name alone."""

from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf
from printed import runs

import longlag as door
from longlag.settings.environment import resolved, values_of, with_names

CALLBACK = """
from pathlib import Path
from lightning.pytorch.callbacks import Callback


class Uses(Callback):
    def __init__(self, key, more=None):
        self.key, self.more = key, more

    def on_train_start(self, trainer, module):
        with (Path(__file__).parent / "seen").open("a") as file:
            file.write(f"{self.key} {self.more}\\n")
"""
SECRET = "hush-5f3a"
TYPED = (
    "+callbacks.uses={_target_: uses_it.Uses, key: '${oc.env:SECRET}', more: ['x', '${oc.env:NOPE,none}-${seed}']}",
    "optimizer.lr='${oc.decode:${oc.env:RATE}}'",
    "+callbacks.again={_target_: uses_it.Uses, key: '${callbacks.uses.key}', more: '${callbacks.uses.more}'}",
)


@pytest.fixture
def uses(longlag, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", SECRET)
    monkeypatch.setenv("RATE", "0.0123")
    (tmp_path / "uses_it.py").write_text(CALLBACK)
    yield tmp_path / "seen"
    __import__("sys").modules.pop("uses_it", None)


def leaks(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if any(text in path.read_bytes() for text in (SECRET.encode(), b"0.0123"))]


def test_a_run_leaves_the_name_and_gets_the_value(longlag, tiny, tmp_path, uses, monkeypatch):
    """The configuration, the status, the curves, W&B's file and the page; and the run that goes on."""
    arguments = (*(word for word in tiny if word != "logger=csv"), *TYPED)
    assert longlag("train", *arguments).code == 0
    line = f"{SECRET} ['x', 'none-0']\n"
    assert uses.read_text() == 2 * line
    (run,) = runs()
    folder = run.folder.path
    assert run.config["callbacks"]["uses"]["key"] == "${oc.env:SECRET}"
    assert run.config["callbacks"]["again"] == run.config["callbacks"]["uses"]
    assert run.config["callbacks"]["uses"]["more"] == ["x", "${oc.env:NOPE,none}-0"]
    assert run.config["optimizer"]["lr"] == "${oc.decode:${oc.env:RATE}}"
    for command in (["report", "outputs/default"], ["publish", "outputs/default", "--dry-run"]):
        assert longlag(*command).code == 0
    assert leaks(tmp_path / "outputs") == []
    assert longlag("runs", "outputs/default", "--json").out.count("${oc.env:SECRET}") == 2
    offline = next(folder.glob("wandb/offline-run-*/run-*.wandb"))
    assert b"${oc.env:SECRET}" in offline.read_bytes()

    assert longlag("train", *arguments, "trainer.max_steps=8").code == 0
    assert len(runs()) == 1
    assert longlag("train", f"resume={folder}", "trainer.max_steps=10", "trust=true").code == 0
    assert uses.read_text() == 6 * line
    assert longlag("jacobian", str(folder), "--trust").code == 0
    monkeypatch.setenv("SECRET", "another")
    assert longlag("train", f"resume={folder}", "trainer.max_steps=12", "trust=true").code == 0
    assert uses.read_text().endswith(2 * line.replace(SECRET, "another"))
    assert leaks(tmp_path / "outputs") == []
    monkeypatch.delenv("SECRET")
    for command in (["train", f"resume={folder}", "trust=true"], ["jacobian", str(folder), "--trust"]):
        said = longlag(*command)
        assert (said.code, said.err.count("\n")) == (2, 1)
        assert "Environment variable 'SECRET' not found" in said.err


def test_a_variable_that_decides_numbers_makes_another_run(longlag, tiny, uses, monkeypatch):
    for rate in ("0.0123", "0.05"):
        monkeypatch.setenv("RATE", rate)
        assert longlag("train", *tiny, "optimizer.lr='${oc.decode:${oc.env:RATE}}'").code == 0
    assert longlag("train", *tiny, "optimizer.lr=0.05").err.count("ran already") == 1
    assert len(runs()) == 2


def test_what_names_a_run_is_a_value(longlag, tiny, monkeypatch):
    monkeypatch.setenv("STUDY", "of_mine")
    monkeypatch.setenv("NUMBER", "7")
    number = "${oc.decode:${oc.env:NUMBER}}"
    assert (
        longlag("train", *tiny, "study='${oc.env:STUDY}'", f"seed='{number}'", f"trainer.max_steps='{number}'").code
        == 0
    )
    (run,) = runs("outputs/of_mine")
    config = run.config
    assert (config["study"], config["seed"], config["run"]["seed"], config["task"]["splits"]["seed"]) == (
        "of_mine", 7, 7, 7,
    )  # fmt: skip
    assert (config["trainer"]["max_steps"], run.status.step) == (number, 7)
    assert "seed7" in run.folder.path.name
    assert longlag("train", *tiny, "--dry-run", "seed=7", "trainer.max_steps=7", "study=of_mine").out.startswith("skip")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "runs_made", "processes"),
    [(["trainer=ddp_cpu"], 1, 2), (["-m", "seed=1,2", "hydra/launcher=local", "hydra.launcher.jobs=1"], 2, 1)],
    ids=["ranks", "local"],
)
def test_ranks_and_workers_get_the_value_too(longlag, tiny, tmp_path, uses, more, runs_made, processes):
    assert longlag("train", *tiny, *TYPED, "trainer.max_steps=2", *more).code == 0
    assert uses.read_text().count(SECRET) == 2 * runs_made * processes
    assert len(runs()) == runs_made
    assert leaks(tmp_path / "outputs") == []


def test_python_sees_the_name_and_its_objects_get_the_value(monkeypatch, tmp_path):
    monkeypatch.setenv("SIZE", "5")
    monkeypatch.setenv("LAG", "9")
    settings = door.compose("cell.hidden_size='${oc.decode:${oc.env:SIZE}}'", "task.T='${oc.decode:${oc.env:LAG}}'")
    assert settings["cell"]["hidden_size"] == "${oc.decode:${oc.env:SIZE}}"
    assert (door.build_task(settings).T, door.build_cell(settings, 2).hidden_size) == (9, 5)
    assert door.build_model(settings).cells[0].hidden_size == 5
    settings["trainer"] |= {"max_steps": 2, "val_check_interval": 1}
    settings["logger"] = door.compose("logger=csv")["logger"]
    run = door.train(settings, tmp_path, quiet=True)
    assert (run.status.state, run.model("last").cells[0].hidden_size, run.task.T) == ("done", 5, 9)
    assert yaml.safe_load((run.path / "config.yaml").read_text())["task"]["T"] == "${oc.decode:${oc.env:LAG}}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${oc.env:HUSH}", "x y"),
        ("a-${oc.env:HUSH}-b", "a-x y-b"),
        ("${oc.env:NO_SUCH,${seed}}", "3"),
        ("${oc.env:NO_SUCH,null}", None),
        ("${oc.decode:${oc.env:LIST}}", [1, {"a": 2}]),
        ("${..other}/${oc.env:HUSH}", "here/x y"),
        (r"\${oc.env:HUSH}", "${oc.env:HUSH}"),
        (r"\\${oc.env:HUSH}", r"\x y"),
        ("${oc.select:group.other,0}", "here"),
        ("${deep.a}", "x y"),
        ("${deep}", {"a": "x y", "b": ["x y"]}),
    ],
)
def test_each_form_is_written_back_and_read_again(monkeypatch, text, value):
    monkeypatch.setenv("HUSH", "x y")
    monkeypatch.setenv("LIST", "[1, {a: 2}]")
    monkeypatch.delenv("NO_SUCH", raising=False)
    deep = {"a": "${oc.env:HUSH}", "b": ["${.a}".replace(".a", "deep.a")]}
    config = OmegaConf.create({"seed": 3, "group": {"other": "here", "it": [text, 1]}, "deep": deep})
    values, names = resolved(config)
    assert values["group"]["it"] == [value, 1]
    stored = with_names(values, names)
    assert "x y" not in yaml.safe_dump(stored)
    again = yaml.safe_load(yaml.safe_dump(stored))
    assert values_of(again) == values
    assert with_names(*resolved(OmegaConf.create(again))) == stored


@pytest.mark.parametrize(
    "text", ["${task.T}", "${hydra:runtime.cwd}", "${oc.select:seed}", r"\\${seed}", "${oc.create:{}}"]
)
def test_a_run_folder_may_refer_to_the_environment_alone(text):
    """Texts that refer to each other could stand for more than a machine can hold."""
    with pytest.raises(door.RequestError, match=r"cell\.x: .* refers to something else than the environment"):
        values_of({"seed": 0, "cell": {"x": text}})
