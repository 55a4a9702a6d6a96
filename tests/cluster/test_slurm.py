"""Grids on a true SLURM: tests/cluster/small_slurm starts one on this machine (`make slurm-check`)."""

import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from offline_wandb import read_offline
from processes import started

from longlag import compose
from longlag.runs import read_study
from longlag.runs.claim import Owner
from longlag.runs.metrics_csv import read_metrics
from longlag.settings.names import folder_name

pytestmark = pytest.mark.cluster

#: A job takes some ten seconds to import what it needs; these runs then take a fraction of one.
RUN = ("-m", "hydra/launcher=slurm", "study=grid", "logger=csv", "task.T=8", "cell.hidden_size=4", "population=1")
SHORT = (*RUN, "trainer.max_steps=6", "trainer.val_check_interval=2")
#: Some ten seconds of training, and the same every time.
LONG = (*RUN, "trainer.max_steps=1500", "trainer.val_check_interval=50", "stop_when_solved=false", "seed=0,1")


#: On both nodes at once.
PAIR = ("hydra.launcher.partition=pair", "trainer=ddp_cpu", "+trainer.num_nodes=2")


def slurm(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def queued() -> dict[str, str]:
    """The jobs that SLURM has, and their states."""
    lines = slurm("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
    return dict(line.split() for line in lines)


def wait_for(what, seconds=120.0):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.3)
    return found


def states(study: Path) -> dict[str, str]:
    """The states of a study's runs by their seeds."""
    found = {path.parent.name: json.loads(path.read_text())["state"] for path in study.glob("*/status.json")}
    return {name.partition("seed")[2].split("-")[0]: state for name, state in found.items()}


def weights(study: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The last weights of a study's runs, by the names of their folders."""
    paths = study.glob("*/checkpoints/last.ckpt")
    return {path.parents[1].name: torch.load(path, weights_only=True)["state_dict"] for path in paths}


@pytest.fixture
def cut(tmp_path):
    """A grid of two long runs on SLURM, of which the first has come to a checkpoint: the command, and its first job."""
    with started("train", *LONG, cwd=tmp_path) as command:
        wait_for(lambda: list(tmp_path.glob("outputs/grid/*seed0*/checkpoints/last.ckpt")))
        first = min(job for job, state in queued().items() if state == "RUNNING")
        yield command, first
        if command.poll() is None:
            slurm("scancel", "--user=root")


@pytest.fixture(scope="module")
def uncut(tmp_path_factory):
    """The weights of the same grid, run here and never cut."""
    folder = tmp_path_factory.mktemp("uncut")
    here = [argument for argument in LONG if "launcher" not in argument]
    with started("train", *here, cwd=folder) as command:
        assert command.wait(300) == 0
    return weights(folder / "outputs" / "grid")


def assert_same(found, expected):
    """Bit by bit: the same machine, one thread each."""
    assert found.keys() == expected.keys()
    for run, state in expected.items():
        for name, value in state.items():
            torch.testing.assert_close(found[run][name], value, rtol=0, atol=0, msg=lambda m, n=name: f"{n}: {m}")


def test_a_grid_is_one_array_and_what_has_run_is_not_submitted_again(longlag, tmp_path):
    said = longlag("train", *SHORT, "seed=0,1", "study=grid")
    assert said.code == 0, said.err
    assert "submitted to SLURM: 2 jobs" in said.err
    assert said.err.count("not solved in 6 steps") == 2  # what the jobs said is relayed
    assert "2/2" in said.err
    assert said.out.count("delayed_xor") == 3  # two runs, one row for both
    assert states(tmp_path / "outputs/grid") == {"0": "done", "1": "done"}
    assert len(list((tmp_path / "outputs/.slurm").glob("*_submission.sh"))) == 1

    said = longlag("train", *SHORT, "seed=0,1,2")
    assert said.code == 0
    assert said.err.count("ran already: not solved") == 2
    assert "submitted to SLURM: one job" in said.err


def test_a_population_is_one_job(longlag, tmp_path):
    said = longlag("train", *SHORT, "population=auto", "seed=0,1,2")
    assert said.code == 0, said.err
    assert "3 runs as one population: lstm delayed_xor T=8\nsubmitted to SLURM: one job" in said.err
    assert said.err.count("not solved in 6 steps") == 3
    assert states(tmp_path / "outputs/grid") == {"0": "done", "1": "done", "2": "done"}
    said = longlag("train", *SHORT, "population=2", "seed=range(7)", "study=pairs")
    assert said.code == 0
    assert "6 runs as 3 populations: lstm delayed_xor T=8; 1 alone" in said.err
    assert "submitted to SLURM: 4 jobs" in said.err


def test_what_slurm_does_not_take_is_a_wrong_request(longlag, tmp_path):
    said = longlag("train", *SHORT, "hydra.launcher.partition=nowhere", "seed=0,1")
    assert said.code == 2
    last = said.err.splitlines()[-1]  # what sbatch itself says stands before it
    refused = "Batch job submission failed: Invalid partition name specified"
    assert last == f"longlag: hydra/launcher=slurm: sbatch: error: {refused}"
    assert not list(tmp_path.glob("outputs/grid/*/config.yaml"))


def test_a_run_on_two_devices_is_one_job_with_one_folder_and_one_wandb_run(longlag, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    options = ("trainer=ddp_cpu", "hydra.launcher.cpus_per_task=2", "logger=wandb")
    said = longlag("train", *[one for one in SHORT if one != "logger=csv"], *options)
    assert said.code == 0, said.err
    study = tmp_path / "outputs/grid"
    assert states(study) == {"0": "done"}
    for folder in study.glob("*seed*"):
        assert len(list(folder.glob("wandb/offline-run-*"))) == 1
        assert json.loads((folder / "summary.json").read_text())["steps"] == 6


def test_a_job_that_fails_costs_that_job_alone(longlag, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from longlag.cells import LSTMCell\n\n\n"
        "class Failing(LSTMCell):\n"
        "    def forward(self, x, state):\n"
        "        if x.requires_grad is False and self.training and self.bomb:\n"
        "            raise RuntimeError('as asked')\n"
        "        return super().forward(x, state)\n\n"
        "    def __init__(self, input_size, hidden_size, forget_bias=1.0, bomb=False):\n"
        "        super().__init__(input_size, hidden_size, forget_bias)\n"
        "        self.bomb = bomb\n"
    )
    options = ("cell._target_=mine.Failing", "+cell.bomb=true,false")
    said = longlag("train", *SHORT, *options)
    assert said.code == 1
    assert "failed: RuntimeError: as asked" in said.err
    assert "not ended: 1 of 2 runs" in said.out
    assert sorted(json.loads(p.read_text())["state"] for p in tmp_path.glob("outputs/grid/*/status.json")) == [
        "done",
        "failed",
    ]
    said = longlag("train", *SHORT, *options, "fail_fast=true", "study=fast", "seed=0,1,2,3")
    assert said.code == 1
    assert not queued() or set(queued().values()) == {"COMPLETING"}
    assert len(list(tmp_path.glob("outputs/fast/*/summary.json"))) < 8


def test_a_job_whose_time_is_nearly_over_goes_on_later(cut, uncut, tmp_path):
    command, job = cut
    slurm("scancel", "--signal=USR2", job)  # what SLURM sends, signal_delay_s before the end
    wait_for(lambda: queued().get(job) == "PENDING")
    status = json.loads(next(tmp_path.glob("outputs/grid/*seed0*/status.json")).read_text())
    assert status["state"] == "interrupted"
    saved = torch.load(next(tmp_path.glob("outputs/grid/*seed0*/checkpoints/last.ckpt")), weights_only=True)
    assert saved["global_step"] == status["step"]
    slurm("scontrol", "update", f"JobId={job}", "StartTime=now")  # or SLURM would have it wait two minutes
    assert command.wait(300) == 0, command.stderr.read()
    assert "queued up again" in command.stderr.read()
    assert_same(weights(tmp_path / "outputs/grid"), uncut)


def test_its_ranks_are_asked_once_though_slurm_tells_all_processes(tmp_path):
    options = ("trainer=ddp_cpu", "hydra.launcher.cpus_per_task=2", "seed=0")
    with started("train", *[one for one in LONG if "seed" not in one], *options, cwd=tmp_path) as command:
        wait_for(lambda: list(tmp_path.glob("outputs/grid/*/checkpoints/last.ckpt")))
        (job,) = queued()
        slurm("scancel", "--signal=USR2", job)
        wait_for(lambda: queued().get(job) == "PENDING")
        status = json.loads(next(tmp_path.glob("outputs/grid/*/status.json")).read_text())
        saved = torch.load(next(tmp_path.glob("outputs/grid/*/checkpoints/last.ckpt")), weights_only=True)
        assert (status["state"], status["step"]) == ("interrupted", saved["global_step"])
        slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
        assert command.wait(300) == 0, command.stderr.read()


def test_a_preempted_job_goes_on_later(cut, uncut, tmp_path):
    command, _ = cut
    slurm("srun", "--partition=urgent", "--cpus-per-task=2", "true")
    wait_for(lambda: "PENDING" in queued().values())
    assert "interrupted" in states(tmp_path / "outputs/grid").values()
    for one in queued():
        slurm("scontrol", "update", f"JobId={one}", "StartTime=now")
    assert command.wait(300) == 0, command.stderr.read()
    assert_same(weights(tmp_path / "outputs/grid"), uncut)


def test_a_cancelled_job_is_said_to_be_missing_and_the_same_command_goes_on(cut, uncut, longlag, tmp_path):
    command, job = cut
    slurm("scancel", job)
    assert command.wait(300) == 1
    out = command.stdout.read()
    assert "not ended: 1 of 2 runs" in out
    assert "interrupted: asked to stop at step" in out
    said = longlag("train", *LONG)
    assert said.code == 0, said.err
    assert said.err.count("ran already") == 1
    assert_same(weights(tmp_path / "outputs/grid"), uncut)


def test_a_job_that_is_killed_is_missed(cut, tmp_path):
    command, _ = cut
    status = json.loads(next(tmp_path.glob("outputs/grid/*seed0*/status.json")).read_text())
    os.kill(status["pid"], signal.SIGKILL)  # as by the kernel, when the memory runs out
    assert command.wait(300) == 1
    out = command.stdout.read()
    assert "interrupted: its process is gone" in out, out
    assert sorted(states(tmp_path / "outputs/grid").values()) == ["interrupted", "solved"]


def test_a_requeued_job_does_not_start_over(cut, longlag, tmp_path):
    """With fresh=true, what was there before the command is set aside, once."""
    command, job = cut
    slurm("scancel", "--user=root")
    command.wait(300)
    with started("train", *LONG, "fresh=true", cwd=tmp_path) as again:
        wait_for(lambda: len(list(tmp_path.glob("outputs/grid/*seed0*/checkpoints/last.ckpt"))) == 2)
        job = min(one for one, state in queued().items() if state == "RUNNING")
        slurm("scancel", "--signal=USR2", job)
        wait_for(lambda: queued().get(job) == "PENDING")
        slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
        assert again.wait(300) == 0, again.stderr.read()
    assert len(list(tmp_path.glob("outputs/grid/*seed0*"))) == 2


MEETING = """
import json, os, socket
from pathlib import Path
from lightning.pytorch.callbacks import Callback


class Meeting(Callback):
    def on_train_start(self, trainer, module):
        told = [trainer.global_rank, trainer.world_size, socket.gethostname(), os.environ["MASTER_ADDR"]]
        (Path(trainer.default_root_dir) / f"rank{trainer.global_rank}.json").write_text(json.dumps(told))
"""


def test_a_run_on_two_nodes_of_two_processes_each(longlag, tmp_path):
    """One folder, one W&B run, and the figures of one process, to float32's precision."""
    (tmp_path / "meeting.py").write_text(MEETING)
    grid = [one for one in SHORT if one != "logger=csv"]
    options = (*PAIR, "hydra.launcher.cpus_per_task=2", "+callbacks.meeting._target_=meeting.Meeting")
    said = longlag("train", *grid, *options)
    assert said.code == 0, said.err
    assert "submitted to SLURM: one job on 2 nodes each" in said.err
    (run,) = read_study(Path("outputs/grid"))
    assert (run.status.state, run.status.host) == ("done", "node1")
    met = [json.loads(path.read_text()) for path in sorted(run.folder.path.glob("rank*.json"))]
    assert met == [[rank, 4, host, "node1"] for rank, host in enumerate(["node1", "node1", "node2", "node2"])]
    (mirror,) = read_offline(run.folder.path)
    assert (mirror.exit_code, mirror.summary["state"]) == (0, "done")
    assert not {"meeting.json", "claim.json"} & {path.name for path in run.folder.path.iterdir()}
    assert longlag("train", *[one for one in SHORT if "launcher" not in one], "study=one").code == 0
    (one,) = read_study(Path("outputs/one"))
    rows = [read_metrics(each.folder.metrics) for each in (run, one)]
    assert rows[0].keys() == rows[1].keys()
    for step, row in rows[1].items():
        assert rows[0][step] == pytest.approx(row, rel=1e-5, abs=1e-7)


def test_a_run_on_two_nodes_goes_on_later_and_does_what_two_processes_on_one_do(tmp_path):
    """When its time is nearly over, both nodes are told, and it stops at one and the same step."""
    long = [one.replace("1500", "600") for one in LONG if "seed" not in one]
    with started("train", *long, *PAIR, "trainer.devices=1", cwd=tmp_path) as command:
        wait_for(lambda: list(tmp_path.glob("outputs/grid/*/checkpoints/last.ckpt")))
        (job,) = queued()
        slurm("scancel", "--signal=USR2", job)
        wait_for(lambda: queued().get(job) == "PENDING")
        (run,) = read_study(tmp_path / "outputs/grid")
        saved = torch.load(run.folder.last_checkpoint, weights_only=True)
        assert (run.status.state, run.status.step) == ("interrupted", saved["global_step"])
        assert not (run.folder.path / "claim.json").exists()
        slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
        assert command.wait(300) == 0, command.stderr.read()
        assert "queued up again" in command.stderr.read()
    here = [one for one in long if "launcher" not in one]
    with started("train", *here, "trainer=ddp_cpu", cwd=tmp_path / "outputs") as command:
        assert command.wait(300) == 0, command.stderr.read()
    (found,), (expected,) = (
        weights(path).values() for path in (tmp_path / "outputs/grid", tmp_path / "outputs/outputs/grid")
    )
    assert_same({"run": found}, {"run": expected})


def test_the_second_node_does_not_wait_for_a_run_that_the_first_does_not_begin(longlag, tmp_path):
    """Somebody else is at it, which is seen on the node."""
    settings = compose(*[one for one in (*SHORT, *PAIR) if "launcher" not in one and one != "-m"])
    held = tmp_path / "outputs/grid" / folder_name(settings)
    held.mkdir(parents=True)
    (held / "claim.json").write_text(json.dumps(asdict(replace(Owner.me(), host="another.machine", boot="", pid=1))))
    said = longlag("train", *SHORT, *PAIR)
    assert said.code == 1
    assert "is being run by process 1 on another.machine" in said.err
    wait_for(lambda: not queued(), seconds=30)


def test_jobs_on_one_node_and_on_two_in_one_grid_are_two_arrays(longlag, tmp_path):
    options = [one for one in PAIR if "num_nodes" not in one]
    said = longlag("train", *SHORT, *options, "trainer.devices=1", "+trainer.num_nodes=1,2")
    assert said.code == 0, said.err
    assert said.err.count("submitted to SLURM: one job") == 2
    assert said.err.count("submitted to SLURM: one job on 2 nodes each, as ") == 1
    assert said.err.count("not solved in 6 steps") == 2
