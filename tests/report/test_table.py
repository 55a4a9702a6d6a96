import dataclasses
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from longlag.metric import Metric
from longlag.report.table import print_runs
from longlag.runs import RunFolder, RunRecord, Status
from longlag.runs.claim import Claim

NOWHERE = Path("/nonexistent")


def run(seed, state="solved", step=60, cell="lstm", forget_bias=1.0, lr=0.1, folder=NOWHERE, **summary):
    figures = {"test/acc": 0.987, "early_gradient_init": 5.57e-07, "early_gradient_end": 0.33, "seconds": 1.52}
    figures |= {
        "solved": state == "solved",
        "solved_step": step if state == "solved" else None,
        "steps": 600,
        "parameters": 4546,
        **summary,
    }
    facts = {"cell": cell, "task": "delayed_xor", "T": 60, "forget_bias": forget_bias, "seed": seed}
    figures = {} if state == "failed" else figures
    return RunRecord(RunFolder(folder), {"run": facts, "optimizer": {"lr": lr}}, Status(state), figures)


def printed(runs, terminal=False):
    text = io.StringIO()
    print_runs(runs, Console(file=text, width=200, force_terminal=terminal, no_color=True))
    return [" ".join(line.split()) for line in text.getvalue().splitlines() if line.strip()]


def test_a_row_has_what_a_person_compares():
    header, row = printed([run(0)])
    outcome = "test accuracy solved at step early gradient at start early gradient at end time (s)"
    assert header == f"cell task T forget bias seed {outcome}"
    assert row == "lstm delayed_xor 60 1 0 0.987 60 5.6e-07 3.3e-01 1.5"


def test_a_metric_that_a_run_declares_gets_a_column_and_a_mean(tmp_path):
    runs = [run(seed, folder=tmp_path / str(seed), **{"test/f1": 0.25 * seed, "val/f1": 0.9}) for seed in (1, 2)]
    for one in runs:
        one.folder.path.mkdir()
        one.folder.write_metric_declarations([Metric("f1", "F1 score", scale="share", better="higher")])
    lines = printed(runs)
    assert " test accuracy test F1 score solved at step " in lines[0]
    assert [line.split()[5:7] for line in lines[1:3]] == [["0.987", "0.250"], ["0.987", "0.500"]]
    assert lines[3].endswith(" mean test accuracy mean test F1 score")
    assert lines[4].endswith(" 0.987 0.375")


def test_headings_have_several_lines_in_a_terminal():
    lines = printed([run(0)], terminal=True)
    headings = [" ".join(re.sub(r"\x1b\[\d+m", "", line).split()) for line in lines[:3]]
    assert headings[1] == "forget test solved gradient gradient time"
    assert headings[2] == "cell task T bias seed accuracy at step at start at end (s)"


def narrow(runs, width):
    text = io.StringIO()
    print_runs(runs, Console(file=text, width=width, force_terminal=True, no_color=True))
    plain = re.sub(r"\x1b\[\d*m", "", text.getvalue())
    assert all(len(line.rstrip()) <= width for line in plain.splitlines()), plain
    assert "…" not in plain
    return plain


def test_the_table_of_the_demo_fits_in_80_columns():
    lines = narrow([run(0), run(1, "done"), run(0, "done", cell="rnn", forget_bias=None)], 80).splitlines()
    assert " ".join(lines[2].split()) == "cell task T bias seed accuracy at step at start at end (s)"
    assert " ".join(lines[4].split()) == "lstm delayed_xor 60 1 0 0.987 60 5.6e-07 3.3e-01 1.5"


def test_where_the_table_is_too_wide_what_all_runs_share_is_said_once():
    assert narrow([run(0), run(1)], 60).startswith("all: cell lstm, task delayed_xor, T 60, forget bias 1, ")


def test_where_even_that_is_too_wide_each_run_is_a_paragraph():
    runs = [run(0), run(1, "done", cell="rnn", forget_bias=None, **{"test/acc": 0.5, "seconds": 2})]
    text = " ".join(narrow(runs, 30).split())
    assert text.startswith("all: task delayed_xor, T 60, ")
    assert " cell lstm, forget bias 1, seed 0, test accuracy 0.987, solved at step 60, time (s) 1.5 " in text
    assert " cell rnn, forget bias -, seed 1, test accuracy 0.500, solved at step >600, time (s) 2.0" in text


@pytest.mark.parametrize(("state", "outcome"), [("done", ">600"), ("diverged", "diverged")])
def test_a_run_that_is_not_solved_says_how_it_stands(state, outcome):
    assert f" {outcome} " in printed([run(0, state)])[1]


def test_a_run_whose_summary_does_not_say_its_steps_is_not_solved():
    lost = dataclasses.replace(run(0, "done"), summary={})
    assert printed([lost])[1].endswith(" - not solved")


def test_a_run_that_is_running_is_gone_when_nobody_holds_its_claim(tmp_path):
    """The process id in the status says nothing: it may be that of this process, as after a restart of a container."""
    with Claim(tmp_path):
        assert " running " in printed([run(0, "running", folder=tmp_path)])[1]
    assert " gone " in printed([run(0, "running", folder=tmp_path)])[1]


def test_a_failed_run_has_a_row_without_figures():
    assert printed([run(0, "failed")])[1] == "lstm delayed_xor 60 1 0 - failed"


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
