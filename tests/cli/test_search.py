"""A search with Optuna: its runs are runs like any others, and typed again it goes on."""

from pathlib import Path

import pytest
import yaml

from longlag import compose
from longlag.jobs.objective import objective
from longlag.runs import RunFolder, Status

# Optuna says so when it is imported, in a release that will have no successor
pytestmark = pytest.mark.filterwarnings("ignore:The ``declarative_base:DeprecationWarning")

SEARCH = ("-m", "experiment=search_forget_bias", "hydra.sweeper.n_trials=3", "task.T=8", "logger=csv")
TINY = (*SEARCH, "cell.hidden_size=4", "trainer.max_steps=6", "trainer.val_check_interval=2")


def settings_of_runs(study: Path) -> list[tuple[float, float]]:
    """The forget bias and the learning rate of each run, in the order in which they began."""
    found = []
    for path in study.glob("*/config.yaml"):
        config = yaml.safe_load(path.read_text())
        started = (path.parent / "status.json").stat().st_mtime_ns
        found.append((started, config["cell"]["forget_bias"], config["optimizer"]["lr"]))
    return [one[1:] for one in sorted(found)]


def test_a_search_tries_settings_in_its_bounds_and_says_the_best(longlag, tmp_path):
    said = longlag("train", *TINY)
    assert said.code == 0, said.err
    study = tmp_path / "outputs/search_forget_bias"
    tried = settings_of_runs(study)
    assert len(set(tried)) == 3
    assert all(-1 <= bias <= 5 and 0.001 <= lr <= 0.1 for bias, lr in tried)
    assert "[3/3]" in said.err
    values = {objective(RunFolder(path.parent)) for path in study.glob("*/config.yaml")}
    best = yaml.safe_load((study / "optimization_results.yaml").read_text())
    assert best["best_value"] == min(values)
    (line,) = [line for line in said.out.splitlines() if line.startswith("best: ")]
    assert line.endswith(f"with {min(values):,.0f} training sequences")
    assert longlag("runs", str(study)).code == 0


def test_the_same_command_goes_on_with_a_search(longlag, tmp_path):
    assert longlag("train", *TINY, "hydra.sweeper.n_trials=5", "output_dir=whole").code == 0
    assert longlag("train", *TINY).code == 0
    said = longlag("train", *TINY, "hydra.sweeper.n_trials=5")  # the three that have run are found, not run again
    assert said.code == 0
    assert said.err.count("ran already") == 3
    whole, parts = (settings_of_runs(tmp_path / place / "search_forget_bias") for place in ("whole", "outputs"))
    assert parts == whole


@pytest.mark.slow
def test_a_search_runs_two_at_once(longlag, tmp_path):
    """Optuna guesses two settings at a time, on workers that stay; typed again, their runs are found, not run again."""
    together = (*TINY, "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2", "hydra/launcher=local")
    said = longlag("train", *together, "hydra.launcher.jobs=2")
    assert said.code == 0, said.err
    study = tmp_path / "outputs/search_forget_bias"
    tried = settings_of_runs(study)
    assert len(set(tried)) == 4
    ends = [line for line in said.err.splitlines() if "not solved in 6 steps" in line]
    assert sorted(line[:5] for line in ends) == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]
    values = {objective(RunFolder(path.parent)) for path in study.glob("*/config.yaml")}
    assert yaml.safe_load((study / "optimization_results.yaml").read_text())["best_value"] == min(values)
    assert len({RunFolder(path.parent).read_status().pid for path in study.glob("*/status.json")}) == 2
    said = longlag("train", *together, "hydra.launcher.jobs=2")
    assert said.code == 0
    assert said.err.count("ran already") == 4
    assert settings_of_runs(study) == tried


def test_a_run_that_fails_costs_that_run_alone(longlag, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from longlag.cells import LSTMCell\n\n\n"
        "class Failing(LSTMCell):\n"
        "    def __init__(self, input_size, hidden_size, forget_bias=1.0):\n"
        "        super().__init__(input_size, hidden_size, forget_bias)\n"
        "        self.bias = forget_bias\n\n"
        "    def forward(self, x, state):\n"
        "        if self.bias > 2.5:\n"
        "            raise RuntimeError('as asked')\n"
        "        return super().forward(x, state)\n"
    )
    options = ("cell._target_=mine.Failing", "engine=eager", "hydra.sweeper.n_trials=5")
    said = longlag("train", *TINY, *options)
    assert said.code == 1
    assert said.err.count("failed: RuntimeError: as asked") >= 1
    assert "best: " in said.out
    said = longlag("train", *TINY, *options, "cell.forget_bias=3", "study=none")  # all of them
    assert said.code == 1
    assert "best: " not in said.out
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("cell.hidden_size=-1", "hidden_size"),
        ("cel=lstm", "no key 'cel'"),
        ("hydra.sweeper.sampler.seed=null", "hydra.sweeper.sampler.seed must be a number"),
        ("resume=outputs/x", "resume"),
    ],
)
def test_a_wrong_search_costs_no_run(longlag, tmp_path, wrong, said):
    found = longlag("train", *TINY, wrong)
    assert found.code == 2
    assert said in found.err
    assert found.err.count("\n") == 1
    assert not list(tmp_path.glob("outputs/*/*"))


@pytest.fixture
def folder(tmp_path):
    """The folder of a run of ten steps with 32 sequences each, made up."""
    made = RunFolder(tmp_path)
    made.write_config(compose("trainer.max_steps=10", "trainer.accumulate_grad_batches=2", "task.splits.batch_size=16"))
    return made


@pytest.mark.parametrize(
    ("state", "solved", "accuracy", "value"),
    [
        ("solved", 96, 1.0, 96.0),
        ("done", None, 0.75, 320 * 1.25),
        ("done", None, 0.0, 640.0),
        ("diverged", None, 0.5, 480.0),  # its whole budget, however early
        ("diverged", None, None, 640.0),
        ("failed", None, 0.5, None),
        ("interrupted", None, 0.5, None),
    ],
)
def test_the_objective_is_the_time_to_solve(folder, state, solved, accuracy, value):
    folder.write_status(Status(state))
    folder.write_summary({"solved_sequences": solved, "val/acc_max": accuracy, "sequences": 32})
    assert objective(folder) == value


def test_what_was_not_begun_has_no_objective(tmp_path):
    assert objective(RunFolder(tmp_path)) is None


def test_any_run_that_is_solved_is_better_than_any_that_is_not(folder):
    folder.write_status(Status("solved"))
    folder.write_summary({"solved_sequences": 320, "val/acc_max": 1.0})
    solved = objective(folder)
    folder.write_status(Status("done"))
    folder.write_summary({"solved_sequences": None, "val/acc_max": 1.0})
    assert objective(folder) >= solved
