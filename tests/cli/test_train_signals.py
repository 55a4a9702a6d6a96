"""Signals to ``longlag train``: the command ends as interrupted, wherever they arrive."""

import os
import signal
import sys
from pathlib import Path

import pytest
from processes import started, wait_for_checkpoint

from longlag.cli.train import _ends_as_interrupts
from longlag.launch.session import Session
from longlag.runs import read_study


def test_an_interrupt_stops_the_grid_and_says_where_it_stands(tmp_path):
    """Ctrl-C in mid-run: a status that says so, the table, exit code 1, and the same command goes on."""
    arguments = (
        "task.T=40",
        "trainer.val_check_interval=10",
        "cell.hidden_size=8",
        "seed=0,1",
        "trainer.max_steps=3000",
    )
    with started("train", "-m", *arguments, "seed=0,1", "logger=csv", cwd=tmp_path) as process:
        wait_for_checkpoint(process, tmp_path / "outputs" / "default")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" not in err
    assert err.endswith("longlag: interrupted\n")
    assert "interrupted" in out
    assert [run.status.state for run in read_study(tmp_path / "outputs" / "default")] == ["interrupted"] * 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whatever_becomes_of_a_signal_the_command_ends_as_interrupted(number):
    """A signal in the middle of an import can come out of the import as another exception."""

    def broken(signalled):
        try:
            if signalled:
                os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            pass
        raise RecursionError

    before = signal.signal(number, signal.default_int_handler)  # which a process in the background has not
    try:
        with pytest.raises(KeyboardInterrupt), _ends_as_interrupts(Session()):
            broken(signalled=True)
        with pytest.raises(RecursionError), _ends_as_interrupts(Session()):
            broken(signalled=False)
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("flags", [(), ("-m",)])
def test_an_interrupt_that_an_import_swallows_stops_the_command_before_the_next_job(longlag, tiny, flags):
    name = f"swallowing{len(flags)}"
    Path(f"{name}.py").write_text(
        "import os, signal\nfrom longlag.cells import LSTMCell\n"
        "try:\n    os.kill(os.getpid(), signal.SIGTERM)\nexcept KeyboardInterrupt:\n    pass\n"
        "class Cell(LSTMCell):\n    pass\n"
    )
    said = longlag("train", *flags, *tiny, f"cell._target_={name}.Cell", "seed=3")
    assert name in sys.modules
    assert said.code == 1
    assert said.err.endswith("longlag: interrupted\n")
    assert not Path("outputs").exists()
