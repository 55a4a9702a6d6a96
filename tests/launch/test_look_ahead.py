import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import open_dict
from printed import runs

from longlag.jobs.job import Job
from longlag.settings.compose import conf_dir, grid, without_hydra
from longlag.settings.job_composer import JobComposer

GRIDS = [
    ["task.T=20,60", "cell.forget_bias=-1,1", "seed=range(3)"],
    ["cell=lstm,rnn", "init=constant,chrono", "cell.forget_bias=0,3", "seed=0,1"],
    ["task=adding,latch", "task.T=20,40", "task.splits.batch_size=8"],
    ["experiment=demo,xor_rates", "seed=0,1"],
    ["optimizer.lr=1e-3,1e-2", "trainer.max_steps=5", "+trainer.benchmark=true,false", "study=a-b"],
    ["cell._target_=longlag.cells.RNNCell", "~cell.forget_bias", "seed=0,1"],
    ["task.splits={val_size: 64},{test_size: 32}", "seed=0,1"],
    ["model.layers=1,2", "model={layers: 3, dropout: 0.1, residual: false, readout_bias: true}"],
    ["task/splits=endless,fixed", "task.splits.val_size=64,128"],
    ["trainer=cpu,ddp_cpu", "trainer.precision=32-true,bf16-mixed"],
    ["logger=csv", "fresh=true,false", "output_dir=elsewhere"],
    ["cell.forget_bias=2,null,1", "trainer.max_time=null,00:00:01:00", "task.splits.seed=7,'${seed}'"],
    ["task.T=20,30", "model.layers=2,1", "trainer.gradient_clip_val=1,null"],
    ["+callbacks.x._target_=lightning.pytorch.callbacks.EarlyStopping", "+callbacks.x.monitor='${study}'", "seed=0,1"],
]


def command(*overrides):
    """Return Hydra's config loader, and the configuration of a command."""
    loader = GlobalHydra.instance().config_loader()
    return loader, loader.load_configuration("train", list(overrides), RunMode.MULTIRUN)


@pytest.mark.parametrize("overrides", GRIDS)
def test_a_job_is_composed_as_hydra_composes_it(overrides):
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        loader, config = command(*overrides, "+hydra.job.env_set.A=b")
        composer = JobComposer(loader, config)
        jobs = grid(overrides)
        assert len(jobs) > 1
        for number, job in enumerate(jobs):
            alone = loader.load_sweep_config(config, job)
            with open_dict(alone):
                alone.hydra.job.id = alone.hydra.job.num = number
            assert composer.whole(job, number) == alone
            settings, hydra_node = composer.settings_and_hydra(job)
            assert settings == without_hydra(alone)
            assert Job.composed(settings, hydra_node, job) == Job.composed(without_hydra(alone), alone.hydra, job)


def test_hydra_composes_each_set_of_choices_once(monkeypatch):
    with hydra.initialize_config_dir(str(conf_dir()), version_base="1.3"):
        loader, config = command()
        calls = []
        load = loader.load_sweep_config
        monkeypatch.setattr(loader, "load_sweep_config", lambda *args: calls.append(1) or load(*args))
        composer = JobComposer(loader, config)
        jobs = grid(["cell=lstm,rnn", "task.T=20,60", "seed=range(10)"])
        assert len({str(composer.settings_and_hydra(job)[0]) for job in jobs}) == 40
    assert len(calls) == 2


def test_a_value_for_a_key_that_does_not_exist_is_refused_as_hydra_refuses_it(longlag):
    said = longlag("train", "-m", "task.TT=1,2")
    assert said.code == 2
    assert said.err == "longlag: no key 'task.TT'; did you mean task.T?\n"


def test_what_a_setting_refers_to_is_that_of_each_job(longlag, tiny):
    said = longlag("train", "-m", *tiny, "task.splits.test_size='${seed}'", "seed=1,2")
    assert said.code == 0
    assert "not ended" not in said.out
    assert [run.config["task"]["splits"]["test_size"] for run in runs()] == [1, 2]
