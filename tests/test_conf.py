"""Every YAML in conf/ composes into a run that can be made, a newcomer's too."""

import pytest
from rich.console import Console

from longlag.cli.assemble import assemble, rehearse
from longlag.cli.configs import conf_dir, settings_of
from longlag.cli.requests import RequestError
from longlag.runs import RunFolder

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
    plan = assemble(settings_of([option]), RunFolder(tmp_path / "run"), Console(quiet=True))
    if option in ("trainer=gpu", "trainer=ddp"):
        import torch

        if not torch.cuda.is_available():
            with pytest.raises(RequestError, match="trainer: No supported gpu backend found"):
                rehearse(plan)
            return
    assert rehearse(plan) == (2 if option in ("trainer=ddp_cpu", "trainer=ddp") else 1)
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
