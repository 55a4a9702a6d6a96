import copy

import pytest

from longlag.settings.compose import settings_of
from longlag.settings.names import apart_from_seed, folder_name, identity, setting_title


@pytest.mark.parametrize(
    "watching",
    [
        "logger=csv", "probe=none", "probe.size=4", "trainer.log_every_n_steps=7", "trainer.max_steps=5",
        "trainer.max_time=00:01:00:00", "stop_when_solved=false", "study=other",
        "+trainer.profiler=simple", "+trainer.detect_anomaly=true",
    ],
)  # fmt: skip
def test_watching_and_the_budget_are_no_part_of_what_a_run_is(watching):
    assert folder_name(settings_of([watching])) == folder_name(settings_of([]))


@pytest.mark.parametrize(
    "deciding",
    [
        "seed=1", "cell.hidden_size=33", "optimizer=sgd", "optimizer.lr=0.1", "task.T=61", "engine=eager",
        "trainer.precision=64-true", "trainer.val_check_interval=10", "+trainer.gradient_clip_val=1", "model.layers=2",
        "task.splits.val_size=10", "task/splits=endless",
        "+callbacks.x._target_=lightning.pytorch.callbacks.EarlyStopping",
        "init=chrono", "cell._target_=longlag.cells.PeepholeLSTMCell",
    ],
)  # fmt: skip
def test_what_decides_numbers_makes_another_run(deciding):
    deciding = deciding.replace("+trainer.gradient", "trainer.gradient")
    assert folder_name(settings_of([deciding])) != folder_name(settings_of([]))


def test_a_class_that_moves_leaves_its_runs_where_they_are():
    settings = settings_of([])
    moved = copy.deepcopy(settings)
    moved["cell"]["_target_"] = "longlag.cells.lstm.LSTMCell"
    moved["task"]["splits"]["_target_"] = "longlag.task.splits.Splits"
    assert folder_name(moved) == folder_name(settings)
    assert identity(settings)["cell"]["_target_"] == "LSTMCell"


def test_a_class_of_a_reader_counts_by_its_path():
    settings = settings_of([])
    mine, yours = copy.deepcopy(settings), copy.deepcopy(settings)
    mine["cell"]["_target_"], yours["cell"]["_target_"] = "mine.LSTMCell", "yours.LSTMCell"
    assert len({folder_name(each) for each in (settings, mine, yours)}) == 3


def test_seeds_of_one_setting_share_a_title():
    first, second, other = settings_of(["seed=1"]), settings_of(["seed=2"]), settings_of(["seed=1", "optimizer.lr=1"])
    assert setting_title(first) == setting_title(second) != setting_title(other)
    assert apart_from_seed(first) == apart_from_seed(second) != apart_from_seed(other)
    assert setting_title(first).startswith("lstm delayed_xor T=60 b=1 (")
