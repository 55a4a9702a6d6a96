import hydra
import pytest
from printed import runs

from longlag.cli import look_ahead
from longlag.cli.configs import conf_dir, grid, without_hydra
from longlag.cli.jobs import Job

GRIDS = [
    ["task.T=20,60", "cell.forget_bias=-1,1", "seed=range(3)"],
    ["cell=lstm,rnn", "init=constant,chrono", "cell.forget_bias=0,3", "seed=0,1"],
    ["task=adding,latch", "task.T=20,40", "task.splits.batch_size=8"],
    ["experiment=demo,xor_rates", "seed=0,1"],
    ["optimizer.lr=1e-3,1e-2", "trainer.max_steps=5", "+trainer.limit_val_batches=1,2", "study=a-b"],
    ["cell._target_=longlag.cells.RNNCell", "~cell.forget_bias", "seed=0,1"],
    ["task.splits={val_size: 64},{test_size: 32}", "seed=0,1"],
    ["model.layers=1,2", "model={layers: 3, dropout: 0.1, residual: false, readout_bias: true}"],
    ["task/splits=endless,fixed", "task.splits.val_size=64,128"],
    ["trainer=cpu,ddp_cpu", "trainer.precision=32-true,bf16-mixed"],
    ["logger=csv", "fresh=true,false", "output_dir=elsewhere"],
    ["+callbacks.x._target_=lightning.pytorch.callbacks.Timer", "+callbacks.x.duration='${seed}'", "seed=0,1"],
]


@pytest.mark.parametrize("overrides", GRIDS)
def test_jobs_that_are_composed_together_are_those_that_hydra_composes_one_by_one(overrides):
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        base = hydra.compose("train", return_hydra_config=True)
        with_name = base.copy()
        with_name.hydra.job.config_name = "train"
        jobs = grid(overrides)
        together = [Job.composed(*parts) for parts in look_ahead._composed(with_name, jobs)]
        alone = []
        for job in jobs:
            composed = hydra.compose("train", overrides=job, return_hydra_config=True)
            alone.append(Job.composed(without_hydra(composed), composed.hydra, job))
    assert together == alone
    assert len(together) > 1


def test_few_of_them_are_composed_by_hydra(monkeypatch):
    calls = []
    compose = hydra.compose
    monkeypatch.setattr(
        look_ahead.hydra, "compose", lambda *args, **kwargs: calls.append(1) or compose(*args, **kwargs)
    )
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        base = compose("train", return_hydra_config=True).copy()
        base.hydra.job.config_name = "train"
        jobs = grid(["cell=lstm,rnn", "task.T=20,60", "seed=range(10)"])
        assert len(list(look_ahead._composed(base, jobs))) == 40
    assert len(calls) == 2


def test_a_value_for_a_key_that_does_not_exist_is_refused_as_hydra_refuses_it(longlag):
    said = longlag("train", "-m", "task.TT=1,2")
    assert said.code == 2
    assert said.err == "longlag: no key 'task.TT'; did you mean task.T or task?\n"


def test_what_a_setting_refers_to_is_that_of_each_job(longlag, tiny):
    said = longlag("train", "-m", *tiny, "+trainer.limit_test_batches='${seed}'", "seed=1,2")
    assert said.code == 0
    assert "not ended" not in said.out
    assert [run.config["trainer"]["limit_test_batches"] for run in runs()] == [1, 2]
