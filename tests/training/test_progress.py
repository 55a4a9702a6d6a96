import io

from rich.console import Console

from longlag.training import progress
from longlag.training.run import train_run


def shown(plan, terminal, monkeypatch=None):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120)
    assert train_run(plan(console=console)).state == "done"
    return text.getvalue()


def test_a_terminal_shows_step_loss_accuracy_and_time_left(plan):
    text = shown(plan, terminal=True)
    assert "lstm delayed_xor T=8 b=1 seed=0" in text
    assert "6/6" in text
    assert "loss 0." in text
    assert "val acc 0." in text
    assert "00:00" in text


def test_a_file_gets_no_bar(plan):
    assert shown(plan, terminal=False) == ""


def test_a_long_run_writes_a_line_to_a_file_now_and_then(plan, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_EVERY_S", -1.0)
    lines = shown(plan, terminal=False).splitlines()
    assert len(lines) == 6
    assert lines[-1].startswith("lstm delayed_xor T=8 b=1 seed=0: step 6/6 loss 0.")
