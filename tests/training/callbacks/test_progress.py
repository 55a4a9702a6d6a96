import io
import re

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


def test_at_80_columns_the_title_is_cut_and_no_figure(plan):
    text = shown(
        plan, terminal=True, width=80, title="[12/160] lstm_peephole continual_embedded_reber T=100 b=1 seed=0"
    )
    shown_lines = re.findall(r"\[12/160\] lstm_peephole .*", plain(text).replace("\r", "\n"))
    assert all(len(line.rstrip()) <= 80 for line in shown_lines)
    assert re.search(r"… 6/6 loss 0\.\d{4}  val acc 0\.\d{3} \d+:\d\d", shown_lines[-1])


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
