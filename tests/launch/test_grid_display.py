import io
import re

import pytest
from rich.console import Console

from longlag.launch.grid_display import GridDisplay


def display(clock, terminal=False, width=80):
    """The display of four jobs on two slots; a test moves its clock."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, height=12)
    return GridDisplay(console, total=4, slots=2, clock=lambda: clock[0])


@pytest.fixture
def clock():
    return [0.0]


def test_on_a_pipe_there_is_a_line_now_and_then(clock):
    shown = display(clock)
    with shown:
        shown.begin([0], "[1/4] a")
        shown.begin([1], "[2/4] b")
        shown.tick()
        clock[0] = 31.0
        shown.move(0, 20, 100, 0.5)
        shown.say("said")
        shown.tick()
        shown.tick()
    assert shown.console.file.getvalue() == (
        "said\ngrid: 0/4 jobs; at [1/4] a: step 20/100  val acc 0.500; [2/4] b: starting\n"
    )


def test_the_time_left_follows_from_the_runs_that_have_ended(clock):
    """Jobs of 10 s: when one has ended and one is half way, two and a half are left for two slots."""
    shown = display(clock)
    shown.begin([0], "a")
    shown.begin([1], "b")
    assert shown.seconds_left() is None
    clock[0] = 10.0
    shown.end(0, "solved")
    shown.move(1, 50, 100, None)
    assert shown.seconds_left() == 10.0 * (2 + 0.5) / 2
    shown.end(1, "done")
    shown.end(2, "skipped")
    shown.begin([3], "d")
    assert shown.seconds_left() == 10.0  # the last one has no use for two slots
    assert shown.summary() == "3/4 jobs, 1 solved, 1 not solved, 1 ran before, 10 s left"
    shown.end(3, "failed")
    assert shown.summary() == "4/4 jobs, 1 solved, 1 not solved, 1 failed, 1 ran before"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_in_a_terminal_there_is_a_bar_and_a_line_a_job_and_nothing_is_left_of_it(clock, width):
    """No line is wider than the terminal, no word is broken, and the end of a title stays; so do the lines above."""
    shown = display(clock, terminal=True, width=width)
    with shown:
        shown.begin([0], "[1/4] lstm delayed_xor T=60 b=1 and a title as long as can be, whatever it is, seed=0")
        shown.begin([1], "[2/4] b")
        shown.end(2, "solved")
        shown.end(3, "skipped")
        shown.move(0, 20, 100, 0.5)
        clock[0] = 1.0
        shown.tick()
        shown.say("[0/4] said")
        drawn = shown.console.file.getvalue()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", plain) if line.strip()]
    assert any(line.startswith("━") for line in lines)
    assert "2/4 jobs, 1 solved, 1 ran before" in plain
    figures = "step 20/100  val acc 0.500" if width >= 60 else "step 20/100"
    assert any(re.match(rf"\[1/4\] lst.*….*seed=0 .*{re.escape(figures)}$", line) for line in lines)
    assert any(re.match(r"\[2/4\] b .*starting$", line) for line in lines)
    assert all(len(line) <= width for line in lines)
    assert "[0/4] said" in [line.strip() for line in lines]


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (80, r"lstm delayed_xor T=60 +48 of 50 running  step 340/600  12 solved"),
        (40, r"lstm del…xor T=60 48 of 50  step 340/600"),
    ],
)
def test_a_population_is_one_line(clock, width, row):
    shown = display(clock, terminal=True, width=width)
    shown.total = 62
    with shown:
        shown.begin(range(62), "lstm delayed_xor T=60")
        for number in range(60):
            shown.move(number, 340, 600, 0.5)
        for number in range(12):
            shown.end(number, "solved")
        clock[0] = 1.0
        shown.tick()
        drawn = shown.console.file.getvalue()
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn))]
    assert any(re.fullmatch(row, line) for line in lines), lines
    assert any(line.startswith("━") or "12/62 jobs, 12 solved" in line for line in lines)
    assert all(len(line) <= width for line in lines)


def test_the_time_left_of_a_population_follows_from_the_steps_of_all_members(clock):
    shown = display(clock)
    shown.begin([0, 1, 2, 3], "a")
    assert shown._rows[0].figures() == "4 starting"
    clock[0] = 10.0
    for number in range(4):
        shown.move(number, 50, 100, None)
    shown.end(0, "solved")
    assert shown.seconds_left() == 10.0 * 1.5 / 2.5
    assert shown._rows[0].figures() == "3 of 3 running  step 50/100  1 solved"
    for number in (1, 2, 3):
        shown.end(number, "done")
    assert shown.summary() == "4/4 jobs, 1 solved, 3 not solved"
    assert not shown._rows
