import dataclasses
import io
import os

import pytest
from rich.console import Console

from longlag.report.table import print_runs
from longlag.runs import RunFolder, RunRecord, Status

ALIVE, GONE = os.getppid(), 2**22 + 1  # a process that is there; one above the largest id that there is


def run(seed, state="solved", step=60, cell="lstm", forget_bias=1.0, lr=0.1, pid=ALIVE, **summary):
    figures = {"test/acc": 0.987, "early_gradient_init": 5.57e-07, "early_gradient_end": 0.33, "seconds": 1.52}
    figures |= {
        "solved": state == "solved",
        "solved_step": step if state == "solved" else None,
        "steps": 600,
        "parameters": 4546,
        **summary,
    }
    facts = {"cell": cell, "task": "delayed_xor", "T": 60, "forget_bias": forget_bias, "seed": seed}
    status = Status(state, pid=pid)
    return RunRecord(
        RunFolder(None), {"run": facts, "optimizer": {"lr": lr}}, status, {} if state == "failed" else figures
    )


def printed(runs, terminal=False):
    text = io.StringIO()
    print_runs(runs, Console(file=text, width=200, force_terminal=terminal, no_color=True))
    return [" ".join(line.split()) for line in text.getvalue().splitlines() if line.strip()]


def test_a_row_has_what_a_person_compares():
    header, row = printed([run(0)])
    assert header == "cell task T forget bias seed test accuracy solved at step early gradient at end time (s)"
    assert row == "lstm delayed_xor 60 1 0 0.987 60 5.6e-07 3.3e-01 1.5"


@pytest.mark.parametrize(("state", "outcome"), [("done", ">600"), ("diverged", "diverged"), ("running", "running")])
def test_a_run_that_is_not_solved_says_how_it_stands(state, outcome):
    assert f" {outcome} " in printed([run(0, state)])[1]


@pytest.mark.parametrize("pid", [GONE, "a word", -(10**30)])
def test_a_run_whose_process_is_not_there_is_gone(pid):
    assert " gone " in printed([run(0, "running", pid=pid)])[1]


def test_a_failed_run_has_a_row_without_figures():
    assert printed([run(0, "failed")])[1] == "lstm delayed_xor 60 1 0 - failed - - -"


def test_a_cell_without_a_forget_gate_shows_a_dash():
    assert printed([run(0, cell="rnn", forget_bias=None)])[1].startswith("rnn delayed_xor 60 - 0 ")


def test_several_seeds_get_a_rate_and_a_median_over_all_runs():
    lines = printed([run(0, step=60), run(1, step=100), run(2, "done"), run(0, "done", cell="rnn", forget_bias=None)])
    rates = lines[
        lines.index("cell task T forget bias parameters solved median steps to solve mean test accuracy") + 1 :
    ]
    assert rates == ["lstm delayed_xor 60 1 4,546 2 of 3 100 0.987", "rnn delayed_xor 60 - 4,546 0 of 1 - 0.987"]


def test_the_median_is_not_known_when_half_are_unsolved():
    lines = printed([run(0, step=60), run(1, "done")])
    assert "lstm delayed_xor 60 1 4,546 1 of 2 - 0.987" in lines


def test_a_setting_that_differs_gets_a_column_and_its_runs_are_not_pooled():
    lines = printed([run(0, lr=0.1), run(1, lr=0.1), run(0, "done", lr=0.5), run(1, "done", lr=0.5)])
    assert lines[0].startswith("cell task T forget bias optimizer.lr seed ")
    assert "lstm delayed_xor 60 1 0.1 4,546 2 of 2 60 0.987" in lines
    assert "lstm delayed_xor 60 1 0.5 4,546 0 of 2 - 0.987" in lines


def of_task(name, seed=0, **settings):
    made = run(seed)
    return dataclasses.replace(
        made, config={**made.config, "run": {**made.config["run"], "task": name}, "task": settings}
    )


def test_what_goes_with_the_name_of_a_task_gets_no_column():
    """In a grid over tasks each has settings of its own; one that differs within a task is shown."""
    lines = printed([of_task("adding", batch=64), of_task("latch", batch=256), of_task("latch", seed=1, batch=256)])
    assert lines[0].startswith("cell task T forget bias seed ")
    lines = printed([of_task("adding", batch=64), of_task("latch", batch=256), of_task("latch", seed=1, batch=32)])
    assert lines[0].startswith("cell task T forget bias task.batch seed ")


def of_cell(name, seed=0, **settings):
    made = run(seed, cell=name)
    return dataclasses.replace(made, config={**made.config, "cell": settings})


def test_a_setting_that_only_some_cells_have_gets_no_column_unless_it_differs_within_a_cell():
    lines = printed([of_cell("mlstm", heads=4), of_cell("slstm", heads=1), of_cell("rnn")])
    assert lines[0].startswith("cell task T forget bias seed ")
    lines = printed([of_cell("mlstm", heads=4), of_cell("mlstm", heads=2), of_cell("rnn")])
    assert lines[0].startswith("cell task T forget bias cell.heads seed ")
    lines = printed([of_cell("gru", hidden_size=37), of_cell("rnn", hidden_size=66)])  # all cells have it
    assert lines[0].startswith("cell task T forget bias cell.hidden_size seed ")


def test_only_what_has_ended_counts_in_a_rate():
    lines = printed([run(0), run(1), run(2, "failed"), run(3, "interrupted"), run(4, "running"), run(5, "diverged")])
    assert "lstm delayed_xor 60 1 4,546 2 of 3 60 0.987" in lines


def test_a_large_seed_is_shown_in_full():
    assert " 20240101 " in printed([run(20240101)])[1]
