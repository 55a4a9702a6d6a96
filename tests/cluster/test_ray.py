"""Grids on a true Ray, which each command starts on this machine for itself (`make ray-check`)."""

import json
import signal
import time
from pathlib import Path

import pytest
import torch
from processes import started

pytestmark = pytest.mark.cluster

RUN = ("-m", "hydra/launcher=ray", "study=grid", "logger=csv", "task.T=8", "cell.hidden_size=4", "population=1")
SHORT = (*RUN, "trainer.max_steps=6", "trainer.val_check_interval=2")
#: Some ten seconds of training, and the same every time.
LONG = (*RUN, "trainer.max_steps=1500", "trainer.val_check_interval=50", "stop_when_solved=false", "seed=0,1")


def states(study: Path) -> list[str]:
    return sorted(json.loads(path.read_text())["state"] for path in study.glob("*/status.json"))


def of_ray(folder: Path) -> list[str]:
    """The command lines of the processes of Ray that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has ended
            continue
    return [line for line in found if "ray" in line]


def weights(study: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The last weights of a study's runs, by the names of their folders."""
    paths = study.glob("*/checkpoints/last.ckpt")
    return {path.parents[1].name: torch.load(path, weights_only=True)["state_dict"] for path in paths}


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """``longlag train`` in a process of its own, so that Ray begins and ends with it."""
    with started("train", *arguments, cwd=folder) as command:
        out, err = command.communicate(timeout=300)
        return command.returncode, out, err


def test_a_grid_runs_and_what_has_run_is_not_run_again(tmp_path):
    code, out, err = run(tmp_path, *SHORT, "seed=0,1")
    assert code == 0, err
    assert err.count("not solved in 6 steps") == 2
    assert states(tmp_path / "outputs/grid") == ["done", "done"]
    code, out, err = run(tmp_path, *SHORT, "seed=0,1,2")
    assert code == 0, err
    assert err.count("ran already: not solved") == 2
    assert err.count("not solved in 6 steps") == 1
    assert out.count("delayed_xor") == 4
    assert of_ray(tmp_path) == []


def test_a_population_is_one_task(tmp_path):
    code, _, err = run(tmp_path, *SHORT, "population=auto", "seed=0,1,2")
    assert code == 0, err
    assert "3 runs as one population: lstm delayed_xor T=8\n" in err
    assert err.count("not solved in 6 steps") == 3
    assert states(tmp_path / "outputs/grid") == ["done"] * 3


def test_a_run_on_two_devices_is_one_task(tmp_path):
    code, _, err = run(tmp_path, *SHORT, "trainer=ddp_cpu", "hydra.launcher.remote.num_cpus=2")
    assert code == 0, err
    assert states(tmp_path / "outputs/grid") == ["done"]


def test_a_job_that_fails_costs_that_job_alone(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import os\nfrom longlag.cells import LSTMCell\n\n\n"
        "class Failing(LSTMCell):\n"
        "    def __init__(self, input_size, hidden_size, forget_bias=1.0, how=''):\n"
        "        super().__init__(input_size, hidden_size, forget_bias)\n"
        "        self.how = how\n\n"
        "    def forward(self, x, state):\n"
        "        if self.how == 'raise':\n"
        "            raise RuntimeError('as asked')\n"
        "        if self.how == 'die':\n"
        "            os._exit(7)\n"
        "        return super().forward(x, state)\n"
    )
    code, out, err = run(tmp_path, *SHORT, "cell._target_=mine.Failing", "+cell.how=fine,raise,die")
    assert code == 1
    assert "failed: RuntimeError: as asked" in err
    assert "no word from its process" in err
    assert "not ended: 2 of 3 runs" in out
    assert states(tmp_path / "outputs/grid") == ["done", "failed", "interrupted"]


def test_a_grid_that_is_interrupted_goes_on_when_typed_again(tmp_path):
    with started("train", *LONG, cwd=tmp_path) as command:
        end = time.monotonic() + 120
        while len(list(tmp_path.glob("outputs/grid/*/checkpoints/last.ckpt"))) < 2:
            assert command.poll() is None
            assert time.monotonic() < end
            time.sleep(0.1)
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=120)
    assert command.returncode == 1, err
    assert "not ended: 2 of 2 runs" in out
    assert states(tmp_path / "outputs/grid") == ["interrupted", "interrupted"]
    for path in tmp_path.glob("outputs/grid/*/status.json"):  # with a checkpoint of the very step
        saved = torch.load(path.parent / "checkpoints/last.ckpt", weights_only=True)
        assert saved["global_step"] == json.loads(path.read_text())["step"]
    assert of_ray(tmp_path) == []
    code, _, err = run(tmp_path, *LONG)
    assert code == 0, err
    here = [argument for argument in LONG if "launcher" not in argument]
    assert run(tmp_path, *here, "output_dir=uncut")[0] == 0
    found, expected = weights(tmp_path / "outputs/grid"), weights(tmp_path / "uncut/grid")
    assert found.keys() == expected.keys()
    for name, state in expected.items():  # bit by bit: the same machine, one thread each
        for key, value in state.items():
            torch.testing.assert_close(found[name][key], value, rtol=0, atol=0)
