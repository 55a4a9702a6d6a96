import io
import os
import subprocess
import sys

import pytest
from rich.console import Console

from longlag.terminal import duration, plain_table, print_line, print_warning, stdout_console


def console(terminal=False, width=80):
    return Console(file=io.StringIO(), force_terminal=terminal, width=width)


def printed(table, on):
    on.print(table)
    return on.file.getvalue().splitlines()


def test_importing_it_does_not_import_rich():
    code = "import sys, longlag.terminal; sys.exit('rich' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_away_from_a_terminal_the_console_is_as_wide_as_a_table_of_runs(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert stdout_console().width == 200
    assert stdout_console(width=120).width == 120
    print_line(stdout_console(), "a line")
    assert capsys.readouterr().out == "a line\n"


def test_in_a_terminal_the_console_is_as_wide_as_the_terminal():
    leader, terminal = os.openpty()
    code = "from longlag.terminal import stdout_console; print(stdout_console().width)"
    environment = {**os.environ, "COLUMNS": "40"}
    subprocess.run([sys.executable, "-c", code], stdout=terminal, check=True, env=environment)
    assert os.read(leader, 100).split() == [b"40"]
    os.close(leader)
    os.close(terminal)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_line_is_printed_as_it_is(terminal):
    on = console(terminal, width=20)
    line = "[bold]no markup[/] :smile: 1234.5 " + "and more " * 5
    print_line(on, line)
    assert on.file.getvalue() == line + "\n"


def test_a_command_shows_at_once_that_it_starts_in_a_terminal_alone(tmp_path):
    leader, terminal = os.openpty()
    command = [sys.executable, "-m", "longlag", "runs", "nowhere"]
    subprocess.run(command, stdout=terminal, stderr=terminal, check=False, cwd=tmp_path)
    assert os.read(leader, 1000).decode() == "starting …\rlonglag: nowhere is no folder\r\n"
    subprocess.run([*command, "--help"], stdout=terminal, stderr=terminal, check=False, cwd=tmp_path)
    assert os.read(leader, 9000).decode().startswith("usage: ")
    piped = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (piped.stdout, piped.stderr) == ("", "longlag: nowhere is no folder\n")
    os.close(leader)
    os.close(terminal)


def test_a_warning_goes_to_stderr(capsys):
    print_warning("no run")
    assert capsys.readouterr() == ("", "longlag: no run\n")


def test_a_line_can_have_a_style():
    on = console(terminal=True)
    print_line(on, "title", style="bold")
    assert on.file.getvalue() == "\x1b[1mtitle\x1b[0m\n"


def test_a_table_away_from_a_terminal_is_plain_columns():
    on = console()
    table = plain_table(["name", "cell.\nheads", "time\n(s)"], on, left={"name"})
    table.add_row("a", "4", "1.25")
    heading, row = printed(table, on)
    assert heading.split("  ") == ["name", "cell.heads", "time (s)"]
    assert row.split() == ["a", "4", "1.25"]
    assert row.startswith("a ")
    assert row.index("4") == heading.index("cell.heads") + len("cell.heads") - 1


def test_a_table_in_a_terminal_has_a_rule_and_headings_of_two_lines():
    on = console(terminal=True)
    on.no_color = True
    table = plain_table(["name", "time\n(s)"], on)
    table.add_row("a", "1.25")
    lines = printed(table, on)
    assert len(lines) == 4
    assert "time" in lines[0]
    assert "(s)" in lines[1]
    assert "──" in lines[2]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "1 s"),
        (1.4, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (100, "2 min"),
        (3569, "59 min"),
        (3571, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (100_000, "27 h 47 min"),
    ],
)
def test_a_duration_in_words(seconds, words):
    assert duration(seconds) == words
