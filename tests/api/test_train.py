"""``longlag.train`` and ``longlag.load_run`` against the command line, and what they refuse."""

import copy
import json

import pytest
import torch
from printed import runs

import longlag as door
from longlag.runs import RunFolder


@pytest.fixture
def settings(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return door.compose(*tiny, "study=first")


def trained(settings, **options):
    return door.train(settings, quiet=True, **options)


def weights(path):
    return torch.load(path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_it_is_the_run_of_the_command_line(longlag, tiny, settings):
    run = trained(settings)
    ours, folder = weights(run.path), run.path.name
    assert longlag("train", *tiny, "study=first").out.splitlines()[1].split()[0] == "lstm"
    (same,) = runs("outputs/first")  # the command line says that this run has ended
    assert same.folder.path.name == folder
    assert longlag("train", *tiny, "study=first", "fresh=true").code == 0
    theirs = weights(run.path)
    assert all(torch.equal(theirs[name], weight) for name, weight in ours.items())


def test_a_run_that_is_there_is_returned_and_a_longer_one_goes_on(settings, capfd):
    short = door.train(settings)
    assert short.summary["steps"] == 6
    before = capfd.readouterr().err
    assert "not solved in 6 steps" in before or "solved at step" in before
    assert door.train(settings).status == short.status
    assert "ran already" in capfd.readouterr().err
    longer = copy.deepcopy(settings)
    longer["trainer"]["max_steps"] = 10
    longer["stop_when_solved"] = False
    run = door.train(longer)
    assert (run.path, run.summary["steps"]) == (short.path, 10)
    assert "goes on from 6 to 10 steps" in capfd.readouterr().err
    assert trained(longer, fresh=True).path == short.path
    assert short.path.with_name(f"{short.path.name}~1").is_dir()
    assert capfd.readouterr() == ("", "")


def test_changed_settings_name_another_run(settings):
    first = trained(settings)
    settings["seed"] = settings["task"]["splits"]["seed"] = 3
    settings["task"]["T"] = 9
    settings["cell"]["forget_bias"] = 2.0
    other = trained(settings)
    assert other.path != first.path
    assert other.settings["run"] == {**first.settings["run"], "T": 9, "forget_bias": 2.0, "seed": 3}
    assert other.path.name.startswith("lstm-delayed_xor-T9-b2-seed3-")
    assert trained(door.compose(*other_words(), "study=first")).path == other.path


def other_words():
    return (
        "task.T=9", "cell.hidden_size=4", "trainer.max_steps=6", "trainer.val_check_interval=2", "logger=csv", "seed=3",
        "cell.forget_bias=2.0",
    )  # fmt: skip


def test_the_random_generators_are_left_as_they_were(settings):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    run = trained(settings)
    run.model("init")
    assert torch.equal(torch.rand(3), wanted)


def test_a_run_has_its_task_its_models_and_its_figures(settings):
    settings["trainer"]["max_steps"] = 8
    settings["stop_when_solved"] = False
    run = door.load_run(str(trained(settings).path))
    assert run.settings["run"]["task"] == "delayed_xor"
    assert run.status.state in ("solved", "done")
    assert run.summary == json.loads((run.path / "summary.json").read_text())
    assert (run.task.T, run.task) == (8, run.task)
    batch = run.task.draw("test", 0, 256)
    for name in ("best", "last"):
        stored = torch.load(run.path / "checkpoints" / f"{name}.ckpt", weights_only=True)
        model = run.model(name)
        for key, value in model.state_dict().items():
            assert torch.equal(value, stored["state_dict"][f"model.{key}"])
        assert run.step(name) == stored["global_step"]
        assert not model.training
    judged = run.task.judge(run.model("last")(batch.inputs, batch.lengths), batch)["acc"].mean()
    assert 0 <= judged <= 1
    torch.manual_seed(settings["seed"])
    start = door.build_model(run.settings, run.task)
    assert all(torch.equal(a, b) for a, b in zip(start.parameters(), run.model("init").parameters(), strict=True))
    assert run.step("init") is None
    assert repr(run) == f"Run('{run.path}', {run.status.state})"


def without(key):
    return lambda settings: settings.pop(key)


def changed(*path, to):
    def change(settings):
        for key in path[:-1]:
            settings = settings[key]
        settings[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("optimizer"), r"the settings have no optimizer; longlag.compose\(\) makes all of them"),
        (changed("optimiser", to={}), "no key 'optimiser'; did you mean optimizer?"),
        (changed("seed", to=-1), "seed must be an integer from 0 to 4294967295, got -1"),
        (changed("stop_when_solved", to="no"), "stop_when_solved must be true or false, got 'no'"),
        (changed("cell", "hidden_size", to=0), "cell: hidden_size must be a positive integer, got 0"),
        (changed("cell", "hiden_size", to=8), "takes no 'hiden_size'; did you mean cell.hidden_size?"),
        (changed("trainer", "max_steps", to=0), "trainer.max_steps must be a positive integer, got 0"),
        (changed("trainer", "num_nodes", to=2), "trainer.num_nodes must be 1 in longlag.train, got 2"),
        (changed("engine", to="fast"), "engine must be one of"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_runs(settings, change, message, tmp_path):
    change(settings)
    with pytest.raises(door.RequestError, match=message):
        trained(settings)
    assert not list(tmp_path.glob("outputs/**/config.yaml"))


def test_what_cannot_be_loaded_is_said(settings, tmp_path):
    run = trained(settings)
    for folder, message in (
        ("none", "none holds no run: no config.yaml"),
        (run.path.parent, f"name one of its runs, such as {run.path}"),
    ):
        with pytest.raises(door.RequestError, match=message):
            door.load_run(folder)
    with pytest.raises(door.RequestError, match="checkpoint must be best, last or init, got 'first'"):
        run.model("first")
    (run.path / "checkpoints" / "best.ckpt").unlink()
    with pytest.raises(door.RequestError, match=r"there is no .*best.ckpt; the checkpoint init is"):
        run.model()
    RunFolder(run.path)._write_json("status.json", {})
    with pytest.raises(door.RequestError, match=r"status\.json: it holds something else: state: Field required"):
        door.load_run(run.path)
