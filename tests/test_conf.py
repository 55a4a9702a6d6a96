"""Every YAML in conf/ composes into a run that can be made, a newcomer's too."""

import inspect

import hydra
import pytest
import torch
from hydra.utils import get_object, instantiate
from rich.console import Console

from longlag.cells import Cell
from longlag.errors import RequestError
from longlag.model import SequenceModel
from longlag.runs import RunFolder
from longlag.settings.build import build_model, build_task
from longlag.settings.compose import all_settings_of, conf_dir, settings_of
from longlag.settings.plan import build_parts, plan_of
from longlag.settings.schema import TrainKeys, checks_of
from longlag.task import Task

OPTIONS = sorted(
    f"{path.parent.relative_to(conf_dir())}={path.stem}"
    for path in conf_dir().glob("*/**/*.yaml")
    if not path.is_relative_to(conf_dir() / "hydra") and not path.is_relative_to(conf_dir() / "experiment")
)
EXPERIMENTS = sorted(
    str(path.relative_to(conf_dir() / "experiment").with_suffix(""))
    for path in (conf_dir() / "experiment").glob("**/*.yaml")
)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_makes_a_run(option, tmp_path):
    needed = ["task.splits.batch_size=1"] if option == "optimizer=online" else []
    plan = plan_of(settings_of([option, *needed]), RunFolder(tmp_path / "run"), Console(quiet=True))
    if option in ("trainer=gpu", "trainer=ddp") and not torch.cuda.is_available():
        with pytest.raises(RequestError, match="trainer: No supported gpu backend found"):
            build_parts(plan)
        return
    assert build_parts(plan).trainer.num_devices == (2 if option in ("trainer=ddp_cpu", "trainer=ddp") else 1)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_and_says_what_it_asks(experiment):
    """A study is called after its file, or after the folder of those that belong together."""
    assert settings_of([f"experiment={experiment}"])["study"] == experiment.split("/")[0]
    second_line = (conf_dir() / "experiment" / f"{experiment}.yaml").read_text().splitlines()[1]
    assert second_line.startswith("# ")
    assert "?" in second_line


def test_the_defaults_are_those_of_the_exercise():
    made = settings_of([])
    assert (made["run"]["cell"], made["run"]["task"], made["run"]["T"]) == ("lstm", "delayed_xor", 60)
    assert made["cell"]["hidden_size"] == 32
    assert made["optimizer"] == {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 3e-3}
    assert made["task"]["splits"]["batch_size"] == made["task"]["splits"]["train_size"] == 256
    assert made["trainer"]["max_steps"] == 600
    assert made["stop_when_solved"] is True
    assert made["logger"]["mode"] == "offline"


def test_every_task_has_an_easy_setting_that_names_it():
    tasks = {path.stem for path in (conf_dir() / "task").glob("*.yaml")}
    easy = {path.stem for path in (conf_dir() / "experiment" / "easy").glob("*.yaml")}
    assert easy == tasks
    for name in easy:
        assert settings_of([f"experiment=easy/{name}"])["run"]["task"] == name


def names(group):
    return sorted(path.stem for path in (conf_dir() / group).glob("*.yaml"))


def by_itself(group, name):
    """What a YAML says by itself, as Hydra composes it."""
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return hydra.compose(f"{group}/{name}")[group]


@pytest.mark.parametrize("name", names("cell"))
def test_every_cell_is_instantiated_as_its_yaml_stands(name):
    for settings in (by_itself("cell", name), settings_of([f"cell={name}", "cell.forget_bias=2"])["cell"]):
        assert isinstance(instantiate(settings, input_size=3), Cell)


@pytest.mark.parametrize("name", names("task"))
def test_every_task_is_instantiated_as_its_yaml_stands(name):
    for settings in (by_itself("task", name), settings_of([f"task={name}"])["task"]):
        assert isinstance(instantiate(settings), Task)


@pytest.mark.parametrize("name", names("optimizer"))
def test_every_optimizer_is_instantiated_as_its_yaml_stands(name):
    for settings in (by_itself("optimizer", name), settings_of([f"optimizer={name}"])["optimizer"]):
        optimizer = instantiate(settings)(params=[torch.nn.Parameter(torch.ones(2))])
        assert isinstance(optimizer, torch.optim.Optimizer)


#: The YAMLs that are another's class with other settings, and no default of it.
VARIATIONS = {"task/two_sequence_noisy_signal", "task/two_sequence_noisy_target"}
#: The arguments that longlag itself fills in.
FILLED_IN = {"input_size", "splits"}
OURS = [
    f"{group}/{name}"
    for group in ("cell", "task", "init", "probe", "logger")
    for name in names(group)
    if by_itself(group, name) and f"{group}/{name}" not in VARIATIONS
]


@pytest.mark.parametrize("option", OURS)
def test_a_yaml_has_every_argument_of_its_class_at_the_default_of_the_class(option):
    """So a person can type every key without a "+", and there is one default, whoever makes the object."""
    group, name = option.split("/")
    settings = settings_of([f"{group}={name}"])[group]
    parameters = inspect.signature(get_object(settings["_target_"])).parameters
    assert {key for key in settings if key != "_target_"} | FILLED_IN == set(parameters) | FILLED_IN
    for key, parameter in parameters.items():
        if key in settings and key not in FILLED_IN and parameter.default is not parameter.empty:
            default = list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
            assert settings[key] == default, key


def test_the_model_has_its_defaults_in_train_yaml():
    settings = settings_of([])["model"]
    defaults = {key: each.default for key, each in inspect.signature(SequenceModel).parameters.items()}
    assert settings == {"layers": 1, **{key: defaults[key] for key in settings if key != "layers"}}
    assert set(defaults) - set(settings) == {"cell", "output_size", "readout", "engine"}


@pytest.mark.parametrize("name", [name for name in names("task") if f"task/{name}" not in VARIATIONS])
def test_a_task_made_in_python_draws_what_its_yaml_draws(name):
    composed = build_task(settings_of([f"task={name}"]))
    plain = type(composed)()
    assert plain.splits == composed.splits
    for split in ("train", "val", "test", "probe"):
        one, other = plain.draw(split, 0, 2), composed.draw(split, 0, 2)
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_schema_has_the_keys_of_train_yaml_and_no_others():
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        assert set(hydra.compose("train")) == set(checks_of(TrainKeys))


def test_cells_matched_has_every_cell_with_about_as_many_parameters_as_the_lstm():
    jobs = all_settings_of(["experiment=cells_matched", "cell=glob(*)"])
    assert [job["run"]["cell"] for job in jobs] == names("cell")
    for job in jobs:
        model = build_model(job, build_task(job))
        assert sum(each.numel() for each in model.parameters()) == pytest.approx(4546, rel=0.075)


def test_a_key_that_is_typed_takes_precedence_over_that_of_the_cell(tmp_path):
    typed = settings_of(["experiment=cells_matched", "cell=mlstm", "cell.hidden_size=6"])
    assert (typed["cell"]["hidden_size"], typed["cell"]["heads"], typed["model"]["layers"]) == (6, 3, 2)
    assert "per_cell" not in typed
    with pytest.raises(RequestError, match=r"per_cell: no key 'cell\.heads'"):
        settings_of(["+per_cell.lstm={cell.heads: 2}"])
