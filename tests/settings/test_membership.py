"""Which runs may train in one batch, and why others train alone."""

import importlib.util
import sys

import pytest
import torch

from longlag.engine.native import Native, NoLibraryError
from longlag.settings.build import build_model, build_task
from longlag.settings.compose import settings_of
from longlag.settings.environment import values_of
from longlag.settings.membership import TaskShape, kind, refusal, why_alone

OWN = """
import torch
from lightning import Callback, Trainer
from longlag.cells import LSTMCell
from longlag.engine import Eager
from longlag.training import EarlyGradient


class Own(Callback):
    pass


class Probe(EarlyGradient):
    pass


class Adam(torch.optim.Adam):
    pass


class Cell(LSTMCell):
    pass


class Engine(Eager):
    pass


class OwnTrainer(Trainer):
    pass


def loggers(info):
    return []
"""


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    """A module of a reader."""
    (tmp_path / "own_parts.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("own_parts", None)


def kind_of(*overrides):
    settings = values_of(settings_of(overrides))
    return kind(settings, TaskShape.of(build_task(settings)))


def reason(*overrides):
    settings = values_of(settings_of(overrides))
    refused = refusal(build_model(settings, build_task(settings)).cells[0], settings)
    return why_alone(settings, refused)


@pytest.mark.parametrize(
    "own",
    [
        ["seed=1"],
        ["task.splits.seed=5"],
        ["cell.forget_bias=3"],
        ["init=chrono"],
        ["init=staggered", "init.first=1"],
        ["optimizer.lr=0.1"],
        ["+optimizer.weight_decay=0.1"],
        ["trainer.gradient_clip_val=1"],
        ["trainer.max_steps=7"],
        ["trainer.max_time=00:00:01:00"],
        ["stop_when_solved=false"],
        ["study=another"],
        ["output_dir=elsewhere"],
    ],
    ids=" ".join,
)
def test_a_value_of_a_member_s_own_lets_it_join(own):
    assert kind_of(*own) == kind_of()
    assert reason(*own) is None


@pytest.mark.parametrize(
    ("task", "parameter"),
    [
        ("distractor_lag", "trigger_probability=0.2"),
        ("two_sequence", "signal_variance=0.2"),
        ("latch", "splits.seed=3"),
    ],
)
def test_a_parameter_of_the_task_that_changes_no_shape_is_a_member_s_own(task, parameter):
    assert kind_of(f"task={task}", f"task.{parameter}") == kind_of(f"task={task}")


def test_one_that_changes_the_length_of_the_sequences_parts_members():
    assert kind_of("task=spike_delay", "task.spikes=5") != kind_of("task=spike_delay")


@pytest.mark.parametrize(
    "shared",
    [
        ["cell=gru"],
        ["cell.hidden_size=8"],
        ["task=adding"],
        ["task=latch"],
        ["task.T=20"],
        ["task.splits.batch_size=128"],
        ["task.splits.train_size=512"],
        ["task/splits=endless"],
        ["task.splits.val_size=64"],
        ["task.splits.test_size=64"],
        ["optimizer=sgd"],
        ["+optimizer.amsgrad=true"],
        ["+optimizer.betas=[0.8, 0.9]"],
        ["model.layers=2"],
        ["model.residual=true"],
        ["model.readout_bias=false"],
        ["engine=native"],
        ["trainer.precision=64-true"],
        ["trainer.deterministic=false"],
        ["trainer.gradient_clip_algorithm=value"],
        ["trainer.val_check_interval=10"],
        ["trainer.log_every_n_steps=10"],
        ["probe=early_gradient"],
        ["probe=none"],
        ["probe.size=8"],
        ["logger=csv"],
        ["+metrics.f1._target_=torchmetrics.classification.BinaryF1Score"],
    ],
    ids=" ".join,
)
def test_what_all_members_share_parts_them(shared):
    assert kind_of(*shared) != kind_of()
    assert reason(*shared) is None


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["+callbacks.mine._target_=own_parts.Own"], "callbacks.mine is a callback of your own"),
        (
            ["+callbacks.x._target_=lightning.pytorch.callbacks.LearningRateMonitor"],
            "callbacks.x is a callback of your own",
        ),
        (
            ["logger=none", "logger._target_=own_parts.loggers", "+logger._partial_=true"],
            "logger is a class of your own",
        ),
        (["probe._target_=own_parts.Probe"], "probe is a class of your own"),
        (["engine={_target_: own_parts.Engine}"], "engine is a class of your own"),
        (["engine=eager"], "engine=eager"),
        (["engine=torch"], "engine=torch"),
        (["trainer._target_=own_parts.OwnTrainer"], "trainer is a class of your own"),
        (["trainer.accumulate_grad_batches=2"], "trainer.accumulate_grad_batches=2"),
        (["trainer.devices=2"], "trainer.devices=2"),
        (["+trainer.num_nodes=2"], "trainer.num_nodes=2"),
        (["trainer.strategy=ddp"], "trainer.strategy=ddp"),
        (["trainer.accelerator=gpu"], "trainer.accelerator=gpu"),
        (["trainer.precision=bf16-mixed"], "trainer.precision=bf16-mixed"),
        (["+trainer.benchmark=true"], "trainer.benchmark is set"),
        (["+trainer.profiler=simple"], "trainer.profiler is set"),
        (["optimizer._target_=own_parts.Adam"], "optimizer is a class of your own"),
        (["optimizer._target_=torch.optim.LBFGS"], "optimizer: LBFGS takes steps of its own kind"),
        (["optimizer._target_=torch.optim.SparseAdam"], "optimizer: SparseAdam takes steps of its own kind"),
        (["cell=mlstm"], "cell: the native engine does not run MLSTMCell"),
        (["cell._target_=own_parts.Cell"], "cell: the native engine does not run Cell"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_run_that_trains_alone_says_why(overrides, why):
    assert reason(*overrides) == why


def test_where_the_native_engine_cannot_be_built_each_run_trains_alone(monkeypatch):
    def fails(*_):
        raise NoLibraryError("there is no compiler")

    monkeypatch.setattr(Native, "prepare", fails)
    assert reason("engine=auto") == "cell: there is no compiler"


@pytest.fixture
def gpu(monkeypatch):
    """A GPU, for which nothing is built."""
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


@pytest.mark.parametrize("accelerator", ["gpu", "cuda", "auto"])
@pytest.mark.parametrize("engine", ["auto", "triton"])
@pytest.mark.usefixtures("gpu")
def test_on_a_gpu_the_triton_engine_runs_populations(accelerator, engine):
    typed = [f"trainer.accelerator={accelerator}", f"engine={engine}"]
    assert reason(*typed) is None
    assert kind_of(*typed) != kind_of()


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        (["engine=native"], "engine=native runs on the CPU, not on cuda"),
        (["engine=torch"], "engine=torch"),
        (["trainer.accelerator=mps"], "trainer.accelerator=mps"),
        (["trainer.accelerator=cpu", "engine=triton"], "engine=triton runs on a GPU, not on cpu"),
        (["trainer.precision=64-true"], "engine=triton takes float32, not float64"),
        (["cell.hidden_size=200"], "engine=triton takes up to 128 hidden units, got 200"),
        (["cell=mlstm"], "cell: the triton engine does not run MLSTMCell"),
        (["optimizer=online", "task.splits.batch_size=1"], "trainer.accelerator=gpu"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
@pytest.mark.usefixtures("gpu")
def test_what_a_gpu_cannot_train_in_one_batch_says_why(overrides, why):
    assert reason("trainer.accelerator=gpu", *overrides) == why


@pytest.mark.usefixtures("gpu")
def test_with_a_gpu_a_run_on_the_cpu_joins_as_elsewhere():
    assert reason() is None
