"""Jobs that a launcher sends away; tests/cluster has them on a true SLURM and a true Ray."""

import importlib.util
import json
from dataclasses import replace

import pytest
from hydra.conf import HydraConf
from hydra.types import HydraContext
from omegaconf import OmegaConf
from rich.console import Console

from longlag.jobs.job import Job
from longlag.launch.batch import Batch
from longlag.launch.queued_job import QueuedJob
from longlag.runs import RunFolder, Status
from longlag.runs.claim import Claim


class Callbacks:
    """Hydra's, of which only that they are called counts here."""

    def on_job_start(self, config, **kwargs):
        pass

    def on_job_end(self, config, job_return, **kwargs):
        pass


@pytest.fixture
def batch():
    return Batch(Console(stderr=True), HydraContext(config_loader=None, callbacks=Callbacks()), print)


def queued(folder):
    return QueuedJob(0, Job({}, RunFolder(folder)), "a run", "", 1, {})


def ended(batch, folder, state, fail_fast=False):
    """Tell a batch of one job how that has ended."""
    from hydra.core.utils import JobReturn

    batch.returns.append(JobReturn())
    batch._configs.append(OmegaConf.create({"fail_fast": fail_fast, "hydra": OmegaConf.structured(HydraConf)}))
    batch.end(queued(folder), state)
    return batch.returns[0].return_value


def test_a_job_whose_process_is_gone_is_interrupted(batch, tmp_path):
    RunFolder(tmp_path).write_status(Status("running", step=7))
    assert ended(batch, tmp_path, "lost") is None
    status = RunFolder(tmp_path).read_status()
    assert (status.state, status.step) == ("interrupted", 7)
    assert "its process is gone" in status.reason
    assert status.ended


def test_on_another_machine_its_claim_still_looks_alive(batch, tmp_path):
    run = RunFolder(tmp_path)
    with Claim(tmp_path) as claim:  # written down as that of a process of another machine, which died just now
        theirs = replace(claim.owner, host="elsewhere", pid=77)
        (tmp_path / "claim.json").write_text(json.dumps(theirs.__dict__))
        run.write_status(Status("running", host="elsewhere", pid=77))
        ended(batch, tmp_path, "lost")
        assert run.read_status().state == "interrupted"
        run.write_status(Status("running", host="elsewhere", pid=78))  # by somebody else, who holds no claim
        batch.returns.clear()
        ended(batch, tmp_path, "lost")
        assert run.read_status().state == "running"


def test_what_a_lost_job_had_finished_stays(batch, tmp_path):
    RunFolder(tmp_path).write_status(Status("solved"))
    ended(batch, tmp_path, "lost")
    assert RunFolder(tmp_path).read_status().state == "solved"


@pytest.mark.parametrize(
    ("state", "fail_fast", "last"),
    [("failed", True, True), ("refused", True, True), ("failed", False, False), ("diverged", True, False)],
)
def test_the_first_failure_ends_a_grid_that_wants_it(batch, tmp_path, state, fail_fast, last):
    ended(batch, tmp_path, state, fail_fast)
    assert batch.failed_fast is last


def test_without_a_slurm_nothing_is_run(longlag, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    said = longlag("train", "-m", *tiny, "hydra/launcher=slurm", "seed=0,1")
    assert said.code == 2
    assert (
        said.err
        == "longlag: hydra/launcher=slurm: no SLURM is here; hydra/launcher=local runs a grid on this machine\n"
    )
    assert not list(tmp_path.glob("outputs/*/*/config.yaml"))


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="there is Ray")
def test_a_launcher_that_is_not_installed_is_said_to_be(longlag, tiny):
    said = longlag("train", "-m", *tiny, "hydra/launcher=ray", "seed=0,1")
    assert said.code == 2
    assert said.err == "longlag: hydra/launcher=ray needs the package ray: pip install 'longlag[ray]'\n"
