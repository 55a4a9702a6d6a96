"""The terminal is closed while a command runs: SIGHUP, and a terminal that takes no more lines."""

import fcntl
import os
import signal
import subprocess
import sys
import termios
import time

import pytest
from processes import assert_gone

from longlag.runs import read_study
from longlag.runs.claim import holder_of

LONG = ("task.T=40", "cell.hidden_size=8", "trainer.max_steps=100000", "logger=csv", "stop_when_solved=false")


def in_a_terminal(*arguments, cwd, ignore=False):
    """Start ``longlag ARGUMENTS`` in a terminal of its own; return the process and the terminal's other end."""
    ours, theirs = os.openpty()

    def own_terminal():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignore else signal.SIG_DFL)

    process = subprocess.Popen(
        [sys.executable, "-m", "longlag", "train", *arguments],
        cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=own_terminal,
    )  # fmt: skip
    os.close(theirs)
    return process, ours


def wait_for_checkpoints(process, terminal, study, count):
    """Wait, and read what the command draws, as a terminal does."""
    os.set_blocking(terminal, False)
    deadline = time.monotonic() + 120
    while len(list(study.glob("*/checkpoints/last.ckpt"))) < count:
        assert process.poll() is None
        assert time.monotonic() < deadline
        try:
            os.read(terminal, 65536)
        except BlockingIOError:
            time.sleep(0.02)


@pytest.mark.parametrize(
    ("launcher", "count"),
    [
        ((), 1),
        pytest.param(("-m", "seed=0,1", "hydra/launcher=local", "hydra.launcher.jobs=2"), 2, marks=pytest.mark.slow),
    ],
    ids=["one run", "two at once"],
)
def test_the_runs_stop_with_a_checkpoint_and_no_process_is_left(tmp_path, launcher, count):
    study = tmp_path / "outputs" / "default"
    process, terminal = in_a_terminal(*launcher, *LONG, cwd=tmp_path)
    try:
        wait_for_checkpoints(process, terminal, study, count)
        os.close(terminal)
        assert process.wait(timeout=60) == 1
    finally:
        process.kill()
    assert_gone(process.pid)
    stopped = read_study(study)
    assert [run.status.state for run in stopped] == ["interrupted"] * count
    assert all(run.status.reason.startswith("asked to stop at step ") for run in stopped)
    assert all(holder_of(run.folder.path) is None for run in stopped)


@pytest.mark.slow
def test_under_nohup_it_goes_on(tmp_path):
    study = tmp_path / "outputs" / "default"
    process, terminal = in_a_terminal(*LONG[:2], "trainer.max_steps=60", "logger=csv", cwd=tmp_path, ignore=True)
    try:
        wait_for_checkpoints(process, terminal, study, 1)
        process.send_signal(signal.SIGHUP)
        while process.poll() is None:
            try:
                os.read(terminal, 65536)
            except (BlockingIOError, OSError):
                time.sleep(0.02)
        assert process.returncode == 0
    finally:
        process.kill()
        os.close(terminal)
    assert [run.status.state for run in read_study(study)] == ["done"]
