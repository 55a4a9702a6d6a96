"""Grids on several worker processes: ``hydra/launcher=local``."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from printed import runs, table
from processes import assert_gone, processes_of, started

from longlag.jobs.job import Job
from longlag.jobs.messages import Ended
from longlag.launch.assignment import Assignment
from longlag.launch.local.pool import Pool
from longlag.launch.local.slots import Slots
from longlag.launch.local.worker_process import Worker
from longlag.launch.queued_job import QueuedJob
from longlag.runs import RunFolder
from longlag.runs.claim import Owner
from longlag.runs.error_flow_csv import read_error_flow
from longlag.runs.metrics_csv import read_metrics
from longlag.settings.compose import settings_of
from longlag.settings.names import folder_name

LOCAL = ("hydra/launcher=local", "hydra.launcher.jobs=2")

# A callback that says where it is, and waits until as many runs as MEET says have begun.
MEETING = """
import json
import os
import time
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback


class Meet(Callback):
    def __init__(self, folder):
        self.folder = Path(folder)

    def on_train_start(self, trainer, pl_module):
        self.folder.mkdir(exist_ok=True)
        told = {"pid": os.getpid(), "threads": torch.get_num_threads(), **os.environ}
        (self.folder / Path(trainer.default_root_dir).name).write_text(json.dumps(told))
        deadline = time.monotonic() + 60
        while len(list(self.folder.iterdir())) < int(os.environ.get("MEET", "1")):
            assert time.monotonic() < deadline, "nobody came"
            time.sleep(0.02)
"""


@pytest.fixture
def meeting(tmp_path):
    """The overrides that make runs meet; what each said of itself lies in ``met/RUN``."""
    (tmp_path / "meeting.py").write_text(MEETING)
    yield "+callbacks.meet._target_=meeting.Meet", f"+callbacks.meet.folder={tmp_path / 'met'}"
    sys.modules.pop("meeting", None)


def weights(run):
    return torch.load(run.folder.last_checkpoint, weights_only=True)["state_dict"]


def assert_same(one, other):
    """Two runs are one and the same, bit for bit."""
    assert one.folder.path.name == other.folder.path.name
    assert {**one.config, "study": ""} == {**other.config, "study": ""}
    figures = [{key: value for key, value in run.summary.items() if key != "seconds"} for run in (one, other)]
    assert figures[0] == figures[1]
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert read_metrics(one.folder.metrics) == read_metrics(other.folder.metrics)
    assert read_error_flow(one.folder.error_flow) == read_error_flow(other.folder.error_flow)
    assert {path.name for path in one.folder.path.iterdir()} == {path.name for path in other.folder.path.iterdir()}


def wait_for(process, study, pattern, count):
    """Wait until so many runs of a study have left something; the process must still be going on then."""
    while len(list(study.glob(pattern))) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def test_two_at_once_do_what_one_after_the_other_do(longlag, tiny, meeting, tmp_path, monkeypatch):
    """Two runs that wait for each other; two warm processes for four runs, in two batches; the same results."""
    monkeypatch.setattr("longlag.launch.grid_display._LINE_EVERY_S", 0.05)
    grid = ("-m", *tiny, *meeting, "seed=range(4)")
    alone = longlag("train", *grid, "study=one")
    (tmp_path / "met").rename(tmp_path / "met alone")
    together = (*grid, "study=two", *LOCAL, "+hydra.job.env_set.MEET='2'")
    said = longlag("train", *together)
    assert alone.code == 0, alone.err
    assert said.code == 0, said.err
    assert len(runs("outputs/two")) == 4
    for one, other in zip(runs("outputs/one"), runs("outputs/two"), strict=True):
        assert_same(one, other)
    assert [row[:-1] for row in table(said)] == [row[:-1] for row in table(alone)]  # but for the time
    met = [json.loads(path.read_text()) for path in sorted((tmp_path / "met").iterdir())]
    assert len({one["pid"] for one in met}) == 2
    assert all((one["threads"], one["OMP_NUM_THREADS"]) == (1, "1") for one in met)
    ends = [line for line in said.err.splitlines() if line.startswith("[")]
    assert sorted(line[:5] for line in ends) == ["[1/4]", "[2/4]", "[3/4]", "[4/4]"]
    assert all("not solved in 6 steps, test accuracy 0." in line for line in ends)
    assert "grid: 0/4 jobs; at [1/4] lstm delayed_xor T=8 b=1 seed=0: starting" in said.err
    assert "\x1b" not in said.out + said.err

    said = longlag("train", *together)
    assert said.code == 0
    assert said.err.count("ran already: not solved; fresh=true runs it again") == 4


@pytest.mark.long
def test_the_workers_start_while_the_grid_is_looked_at(longlag, tiny, monkeypatch):
    """Those and no others, as many as there are jobs; none is left of a grid that is wrong or has run already."""
    begun = []

    def worker(environment):
        begun.append(Worker(environment))
        return begun[-1]

    monkeypatch.setattr("longlag.launch.local.spares.Worker", worker)
    monkeypatch.setattr(
        "longlag.launch.local.pool.Worker", lambda _: pytest.fail("a worker that had been started was not used")
    )
    grid = ("-m", *tiny, "hydra/launcher=local", "hydra.launcher.jobs=3")
    for seeds, more, code in (("0,1", (), 0), ("0,1", ("model.dropout=2",), 2), ("0,1,2", (), 0)):
        before = len(begun)
        assert longlag("train", *grid, f"seed={seeds}", *more).code == code
        assert len(begun) == before + len(seeds.split(","))
        assert all(one.process.returncode is not None for one in begun)
    killed = [one.process.returncode == -signal.SIGKILL for one in begun]
    assert killed == [False, False, True, True, False, True, True], "of the last three one had a job"


# Each forget bias has a fate of its own, and so costs its run alone.
FATES = """
import os
import signal

from longlag.cells import LSTMCell


class Fated(LSTMCell):
    steps = 0

    def __init__(self, input_size, hidden_size, forget_bias=1.0):
        super().__init__(input_size, hidden_size, forget_bias)
        self.fate = forget_bias

    def forward(self, x, state):
        Fated.steps += 1
        if Fated.steps > 100 and self.fate == 2:
            raise RuntimeError("not in the mood")
        if Fated.steps > 100 and self.fate == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        if Fated.steps > 100 and self.fate == 4:
            print("I go", flush=True)
            os._exit(7)
        return super().forward(x, state)
"""


def test_a_run_that_fails_or_whose_process_dies_costs_itself_alone(longlag, tiny, tmp_path, monkeypatch):
    """One raises, one is killed, one exits, one is somebody else's; the others run, on workers that are replaced."""
    (tmp_path / "fates.py").write_text(FATES)
    grid = ("-m", *tiny, "cell._target_=fates.Fated", "cell.forget_bias=1,2,3,4,5,6,7")
    monkeypatch.syspath_prepend(str(tmp_path))
    settings = settings_of([*tiny, "cell._target_=fates.Fated", "cell.forget_bias=6"])
    held = tmp_path / "outputs" / "default" / folder_name(settings)
    held.mkdir(parents=True)
    (held / "claim.json").write_text(json.dumps(asdict(replace(Owner.me(), host="another.machine", boot="", pid=1))))
    said = longlag("train", *grid, *LOCAL)
    sys.modules.pop("fates", None)
    assert said.code == 1
    found = {run.config["run"]["forget_bias"]: run.status for run in runs()}
    states = {bias: status.state for bias, status in found.items()}
    assert states == {1: "done", 2: "failed", 3: "failed", 4: "failed", 5: "done", 7: "done"}
    assert found[2].reason.startswith("RuntimeError: not in the mood (fates.py, line ")
    assert found[3].reason == "its process was killed by SIGKILL, perhaps for want of memory"
    assert found[4].reason == "its process ended with the exit code 7"
    assert all(status.ended is not None for status in found.values())
    assert "[4/7] Fated delayed_xor T=8 b=4 seed=0: I go\n" in said.err
    assert "[3/7] Fated delayed_xor T=8 b=3 seed=0: failed: its process was killed by SIGKILL" in said.err
    assert "/7] longlag: " in said.err
    assert " is being run by process 1 on another.machine\n" in said.err
    assert "Traceback" not in said.err
    assert "not ended: 4 of 7 runs" in said.out
    assert_gone(os.getpid())


@pytest.mark.slow
def test_fail_fast_stops_what_goes_on_and_begins_nothing_more(longlag, tiny, meeting, tmp_path):
    """One goes on for ever, one fails when both have begun."""
    (tmp_path / "fates.py").write_text(FATES)
    said = longlag(
        "train", "-m", *tiny, "cell._target_=fates.Fated", "cell.forget_bias=1,2,5", "trainer.max_steps=1000000",
        "fail_fast=true", *meeting, "+hydra.job.env_set.MEET='2'", *LOCAL,
    )  # fmt: skip
    sys.modules.pop("fates", None)
    assert said.code == 1
    assert {r.config["run"]["forget_bias"]: r.status.state for r in runs()} == {1: "interrupted", 2: "failed"}
    assert "not ended: 3 of 3 runs" in said.out
    assert ": not begun\n" in said.out


CUT = (
    "train", "-m", "task.T=40", "cell.hidden_size=8", "trainer.max_steps=400", "trainer.val_check_interval=10",
    "logger=csv", "seed=0,1,2",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        "SIGINT",
        pytest.param("SIGTERM in the background", marks=pytest.mark.long),
        pytest.param("SIGKILL", marks=pytest.mark.long),
    ],
)
def test_a_command_that_is_ended_leaves_no_process_and_goes_on(longlag, tmp_path, how):
    """Asked to stop, each run saves its step; after SIGKILL, each goes on from its last validation."""
    study = tmp_path / "outputs" / "cut"
    with started(*CUT, "study=cut", *LOCAL, cwd=tmp_path, background="background" in how) as process:
        wait_for(process, study, "*/checkpoints/last.ckpt", 2)
        assert len(processes_of(process.pid)) == 2
        process.send_signal(signal.Signals[how.split()[0]])
        out, err = process.communicate(timeout=60)
        assert_gone(process.pid)
    states = [run.status.state for run in runs(study)]
    if how == "SIGKILL":
        assert set(states) <= {"running", "done"}
    else:
        assert process.returncode == 1
        assert err.endswith("longlag: interrupted\n")
        assert "Traceback" not in err
        assert "this goes on with them: longlag train -m task.T=40" in out
        assert states.count("interrupted") >= 1
        assert set(states) <= {"interrupted", "done"}
    assert longlag(*CUT, "study=whole").code == 0
    assert longlag(*CUT, "study=cut", *LOCAL).code == 0
    for one, other in zip(runs("outputs/whole"), runs(study), strict=True):
        assert_same(one, other)


DEAF = """
import signal
import time
from pathlib import Path

from lightning.pytorch.callbacks import Callback


class Deaf(Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 3:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
            (Path(trainer.default_root_dir) / "deaf").touch()
            time.sleep(600)
"""


@pytest.mark.slow
def test_a_second_interrupt_ends_it_at_once(tmp_path):
    """Though the runs hear nothing."""
    (tmp_path / "deaf.py").write_text(DEAF)
    arguments = (*CUT, "+callbacks.deaf._target_=deaf.Deaf", *LOCAL)
    with started(*arguments, cwd=tmp_path) as process:
        wait_for(process, tmp_path / "outputs" / "default", "*/deaf", 2)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
        assert_gone(process.pid)
    assert process.returncode == 1
    assert err.endswith("longlag: interrupted\n")
    assert "Traceback" not in err
    told = [(run.status.state, run.status.reason) for run in runs(tmp_path / "outputs" / "default")]
    assert told == [("interrupted", "it was cut off with the command")] * 2


@pytest.mark.slow
def test_a_run_of_two_processes_takes_two_slots(longlag, tiny, meeting, tmp_path):
    """It has begun before the run beside it, which waits until there is room: none waits for the other here."""
    said = longlag("train", "-m", *tiny, *meeting, "trainer=ddp_cpu,cpu", "study=two", *LOCAL)
    assert said.code == 0
    assert "runs alone" not in said.err
    two, one = sorted(runs("outputs/two"), key=lambda run: run.config["trainer"]["strategy"] == "auto")
    assert two.config["trainer"]["devices"] == 2
    assert (two.status.state, one.status.state) == ("done", "done")
    assert two.status.ended <= one.status.started
    pids = [json.loads((tmp_path / "met" / run.folder.path.name).read_text())["LONGLAG_PARENT"] for run in (two, one)]
    assert pids[0] != pids[1] == str(os.getpid())  # the ranks are the worker's


@pytest.mark.long
def test_runs_of_two_processes_give_what_they_give_alone(longlag, tiny):
    """And where there is less room than a run has processes, that is said."""
    grid = ("-m", *tiny, "trainer=ddp_cpu,cpu")
    assert longlag("train", *grid, "study=one").code == 0
    for jobs, line in ((1, "runs alone, on 2 processes; there is room for 1\n"), (3, "")):
        said = longlag("train", *grid, f"study={jobs}", "hydra/launcher=local", f"hydra.launcher.jobs={jobs}")
        assert said.code == 0
        assert line in said.err
        assert ("runs alone" in said.err) == bool(line)
        for one, other in zip(runs("outputs/one"), runs(f"outputs/{jobs}"), strict=True):
            assert_same(one, other)


@pytest.mark.slow
def test_a_worker_keeps_to_its_gpus_and_threads(tiny, meeting, tmp_path, monkeypatch):
    """What a process is told of the machine, looked at from within; there need be no GPU for it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    pool = Pool(Slots(("3", "5"), threads=2), ["3", "5"])
    try:
        for seed in (0, 1):
            settings = settings_of([*tiny, *meeting, f"seed={seed}"])
            job = Job(settings, RunFolder(tmp_path / str(seed)))
            assert pool.begin(Assignment((QueuedJob(seed, job, "a run", "", 1, {}),)))
        assert not pool.begin(Assignment((QueuedJob(2, job, "a run", "", 1, {}),)))
        ended = []
        while pool.busy:
            ended += [event.state for _, event in pool.events(0.1) if isinstance(event, Ended)]
    finally:
        pool.close()
    assert ended == ["done", "done"]
    met = [json.loads((tmp_path / "met" / str(seed)).read_text()) for seed in (0, 1)]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in met] == ["3", "5"]
    assert [(one["threads"], one["OMP_NUM_THREADS"]) for one in met] == [(2, "2")] * 2


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ("hydra.launcher.jobs=0", "hydra.launcher.jobs must be a positive integer, got 0"),
        ("hydra.launcher.threads=many", "hydra.launcher.threads must be a positive integer, got 'many'"),
        ("hydra.launcher.jbos=2", "no key 'hydra.launcher.jbos'; did you mean hydra.launcher.jobs?\n"),
        ("+hydra.launcher.jbos=2", "no key 'hydra.launcher.jbos'; did you mean hydra.launcher.jobs?\n"),
        ("hydra.launchr.jobs=2", "no key 'hydra.launchr.jobs'; did you mean hydra.launcher.jobs?\n"),
        (
            "hydra.launcher.workers=2",
            "no key 'hydra.launcher.workers'; hydra.launcher has jobs, jobs_per_gpu, threads\n",
        ),
    ],
)
def test_a_wrong_request_costs_one_line(longlag, tiny, wrong, line):
    said = longlag("train", "-m", *tiny, "seed=0,1", "hydra/launcher=local", wrong)
    assert said.code == 2
    assert said.err.startswith(f"longlag: {line}")
    assert said.err.count("\n") == 1
    assert runs() == [] if Path("outputs/default").exists() else True


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (
            ["hydra.launcher.jobs=2"],
            "no key 'hydra.launcher.jobs'; there is none with this choice of hydra/launcher\n",
        ),
        (
            ["hydra/launcher=slurm", "hydra.launcher.timeout=2"],
            "no key 'hydra.launcher.timeout'; did you mean hydra.launcher.timeout_min?\n",
        ),
        (["hydra.jb.chdir=true"], "no key 'hydra.jb.chdir'; did you mean hydra.job.chdir?\n"),
    ],
)
def test_a_wrong_key_of_hydra_s_names_one_of_the_launcher_that_is_chosen(longlag, tiny, wrong, line):
    said = longlag("train", "-m", *tiny, "seed=0,1", *wrong)
    assert (said.code, said.err) == (2, f"longlag: {line}")


def test_no_torch_is_imported_for_a_help_text_or_by_hydra_s_look_at_its_plugins():
    command = (
        "import sys; from hydra.core.plugins import Plugins; from hydra.plugins.launcher import Launcher;"
        " found = [cls.__name__ for cls in Plugins.instance().discover(Launcher)];"
        " print('LocalLauncher' in found, 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", command], check=True, capture_output=True, text=True)
    assert said.stdout == "True False\n"
