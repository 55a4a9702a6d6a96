import io
import re

import pytest
from rich.console import Console

from longlag.training.callbacks import progress
from longlag.training.run import train_run


def shown(plan, terminal, width=120, **changes):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=width)
    assert train_run(plan(console=console, **changes)).state == "done"
    return text.getvalue()


def test_a_terminal_shows_step_loss_accuracy_and_time_left(plan):
    text = shown(plan, terminal=True)
    assert "lstm delayed_xor T=8 b=1 seed=0" in text
    assert "6/6" in text
    assert "loss 0." in text
    assert "val acc 0." in text
    assert "00:00" in text


LONG = "[12/160] lstm_peephole continual_embedded_reber T=100 b=1 seed=0"


@pytest.mark.parametrize(
    ("width", "title", "last"),
    [
        (80, "[2/6] lstm delayed_xor T=60 b=1 seed=0", r"seed=0 6/6 loss 0\.\d{4}  val acc 0\.\d{3} \d+:\d\d"),
        (80, LONG, r"^\[12/160\] lstm_peep\S* \S*….*b=1 seed=0 6/6 val acc 0\.\d{3} \d+:\d\d"),
        (40, LONG, r"^\[12/160\] lstm…00 b=1 seed=0 6/6  \d+:\d\d"),
        (40, "lstm", r"^lstm 6/6 val acc 0\.\d{3} \d+:\d\d"),
    ],
)
def test_a_narrow_terminal_shows_the_step_the_time_and_the_end_of_the_title(plan, width, title, last):
    text = shown(plan, terminal=True, width=width, title=title)
    lines = [line for line in plain(text).replace("\r", "\n").splitlines() if "/6 " in line]
    assert all(len(line.rstrip()) <= width for line in lines)
    assert re.search(last, lines[-1].strip()), lines[-1]


def plain(line):
    """Return a line without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)


def test_a_file_gets_no_bar(plan):
    assert shown(plan, terminal=False) == ""


def test_a_long_run_writes_a_line_to_a_file_now_and_then(plan, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_EVERY_S", -1.0)
    lines = shown(plan, terminal=False).splitlines()
    assert len(lines) == 6
    assert lines[-1].startswith("lstm delayed_xor T=8 b=1 seed=0: step 6/6 loss 0.")
