"""``longlag horizon`` on true runs."""

import json
import math
import signal
from pathlib import Path
from statistics import median

import pytest
from fated import SOURCE
from printed import runs
from processes import started, wait_for_checkpoint

from longlag.horizon import Rule

#: Searches that take a second: an LSTM of 8 units and 100 steps of 64 sequences.
SMALL = (
    "cell.hidden_size=8", "trainer.val_check_interval=10", "task.splits.batch_size=64", "optimizer.lr=0.02", "seeds=3",
    "rate=0.6", "budget=6400", "per_doubling=1", "start=4", "most=16", "logger=csv", "probe=none",
)  # fmt: skip
JSON, PICTURE = Path("outputs/horizon/horizon.json"), Path("outputs/horizon/horizon.png")


def entries():
    return json.loads(JSON.read_text())["horizons"]


def solved_within(run, budget):
    sequences = run.summary["solved_sequences"]
    return sequences is not None and sequences <= budget


def test_a_horizon_is_what_its_runs_tell(longlag):
    said = longlag("horizon", *SMALL)
    assert said.code == 0, said.err
    (entry,) = entries()
    outcomes = {}
    for run in runs("outputs/horizon"):
        assert run.config["trainer"]["max_steps"] == 6400 // 64
        outcomes.setdefault(run.config["run"]["T"], []).append(solved_within(run, 6400))
    rule = Rule(3, 0.6)
    assert {each["T"]: (each["solved"], each["trials"]) for each in entry["curve"]} == {
        T: (sum(each), len(each)) for T, each in outcomes.items()
    }
    within = [T for T, each in outcomes.items() if rule.verdict(sum(each), len(each) - sum(each)) == "within"]
    assert entry["horizon"] == max(within, default=None)
    assert len(outcomes[4]) <= 3
    ends = [entry["horizon"], entry["beyond"]]
    assert all(len(outcomes[T]) == 3 for T in ends if T is not None)  # at the ends no seed is spared
    assert max(map(len, said.out.splitlines())) <= 80
    assert ["lstm", "hidden_size=8", entry["text"], f"({entry['interval']})"] in [
        line.split() for line in said.out.splitlines()
    ]
    assert PICTURE.read_bytes().startswith(b"\x89PNG")
    assert all(run.status.command.startswith("longlag horizon ") for run in runs("outputs/horizon"))


@pytest.mark.slow
def test_typed_again_nothing_runs_and_all_is_the_same(longlag):
    first = longlag("horizon", *SMALL, "most=8")
    before = JSON.read_bytes(), {run.folder.path: run.status.started for run in runs("outputs/horizon")}
    again = longlag("horizon", *SMALL, "most=8")
    assert (again.code, again.out) == (0, first.out)
    assert before == (JSON.read_bytes(), {run.folder.path: run.status.started for run in runs("outputs/horizon")})
    assert "solved at step" not in again.err
    dry = longlag("horizon", "--dry-run", *SMALL, "most=8")
    assert (dry.code, dry.out.splitlines()[:3]) == (0, first.out.splitlines()[:3])


@pytest.mark.slow
def test_a_search_that_is_interrupted_goes_on_as_if_it_had_not_been(longlag, tmp_path):
    more = ("horizon", *SMALL, "most=8", "cell.hidden_size=16", "trainer.val_check_interval=1")
    with started(*more, cwd=tmp_path) as process:
        wait_for_checkpoint(process, JSON.parent)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, JSON.exists()) == (1, False)
    assert err.splitlines()[-1] == "longlag: interrupted"
    assert longlag(*more).code == 0
    (cut,) = entries()
    assert longlag(*more, "study=whole").code == 0
    (whole,) = json.loads(Path("outputs/whole/horizon.json").read_text())["horizons"]
    for entry in (cut, whole):  # of these alone the interruption may be seen
        entry.pop("training_seconds")
        entry.pop("words")
    assert cut == whole


def test_a_dry_run_says_what_is_next_and_runs_nothing(longlag):
    said = longlag("horizon", "--dry-run", "cell=lstm,gru", *SMALL)
    assert (said.code, said.out.splitlines()) == (
        0, ["lstm hidden_size=8 delayed_xor: next: T=4, 2 runs", "gru hidden_size=8 delayed_xor: next: T=4, 2 runs"],
    )  # fmt: skip
    assert not JSON.exists()
    assert "within the horizon: 2 of 3 seeds" in said.err


def test_a_small_budget_is_read_from_runs_that_went_further(longlag):
    """The budget is no part of what a run is: what was solved late does not count within a small one."""
    assert longlag("horizon", *SMALL, "most=4").code == 0
    before = {run.folder.path: run.status.step for run in runs("outputs/horizon")}
    (large,) = entries()
    assert large["horizon"] == 4
    assert longlag("horizon", *SMALL, "most=4", "budget=640").code == 0
    assert before == {run.folder.path: run.status.step for run in runs("outputs/horizon")}
    _, small = entries()
    assert (small["budget"], small["steps"], small["horizon"], small["text"]) == (640, 10, None, "<4")


@pytest.mark.slow
def test_cells_and_tasks_are_a_table(longlag):
    said = longlag("horizon", "cell=rnn,lstm", "task=delayed_xor,latch", *SMALL, "most=4", "budget=128", "seeds=1")
    assert said.code == 0, said.err
    lines = [line.split() for line in said.out.splitlines()]
    assert ["setting", "delayed_xor", "latch"] in lines
    assert [(entry["setting"], entry["task"]) for entry in entries()] == [
        (f"{cell} hidden_size=8", task) for cell in ("rnn", "lstm") for task in ("delayed_xor", "latch")
    ]


def test_the_first_lag_is_doubled_until_the_task_takes_it(longlag):
    said = longlag("horizon", "--dry-run", "task=selective_copy", "logger=csv")
    assert (said.code, said.out) == (0, "lstm selective_copy: next: T=20, 2 runs\n")


def test_a_search_whose_run_fails_costs_the_others_nothing(longlag):
    Path("fates.py").write_text(SOURCE)
    fate = ("task._target_=fates.Fated", "+task.fails=0,-1", "+task.kills=-1")
    said = longlag("horizon", *SMALL, *fate, "most=4", "budget=64", "seeds=1")
    assert said.code == 1
    assert "not ended: lstm hidden_size=8 fails=0" in said.out
    assert "this goes on with them: longlag horizon " in said.out
    assert [entry["setting"] for entry in entries()] == ["lstm hidden_size=8 fails=-1"]


@pytest.mark.slow
def test_the_half_lives_before_training_are_those_that_runs_record(longlag):
    assert longlag("horizon", *SMALL, "probe=error_flow", "most=4", "budget=128").code == 0
    (entry,) = entries()
    assert (entry["horizon"], {each["T"] for each in entry["curve"]}) == (None, {4})
    settings = ("cell.hidden_size=8", "task.splits.batch_size=64", "task.T=4", "trainer.max_steps=1", "logger=csv")
    assert longlag("train", "-m", *settings, "seed=range(3)", "study=apart").code == 0
    recorded = [run.summary for run in runs("outputs/apart")]
    for name in ("gradient_half_life_init", "direct_half_life_init"):
        assert entry[name] == pytest.approx(median(each[f"layer1/{name}"] for each in recorded), rel=1e-9)


def test_the_settings_of_the_cell_are_in_the_name(longlag):
    said = longlag("horizon", "--dry-run", *SMALL, "cell=lstm", "cell.forget_bias=0,3", "init=constant,chrono")
    titles = [line.partition(" delayed_xor:")[0] for line in said.out.splitlines()]
    assert titles == [
        f"lstm hidden_size=8 forget_bias={bias} init={init}" for bias in (0, 3) for init in ("constant", "chrono")
    ]


@pytest.mark.slow
def test_tuning_tries_a_small_grid_on_other_seeds_where_a_lag_fails(longlag):
    """At lr=1e-3 little is learned in 50 steps."""
    tuned = ("tune=grid", "optimizer.lr=1e-3", "budget=3200", "most=4", "seeds=1", "cell.forget_bias=3")
    said = longlag("horizon", *SMALL, *tuned)
    assert said.code == 0, said.err
    trials = [
        run for run in runs("outputs/horizon") if run.config["seed"] >= 1_000_000 and run.config["task"]["T"] == 4
    ]
    tried = {(run.config["optimizer"]["lr"], run.config["cell"]["forget_bias"], run.config["seed"]) for run in trials}
    rates = {round(math.log(lr / 1e-3, 3)) for lr, _, _ in tried}
    assert (len(tried), rates, {bias for _, bias, _ in tried}) == (3 * 2 * 3, {-1, 0, 1}, {3, 1})
    score = {}
    for run in trials:
        key = run.config["optimizer"]["lr"], run.config["cell"]["forget_bias"]
        score[key] = score.get(key, 0) + 2 - run.summary["val/acc_max"]
    (entry,) = entries()
    chosen = {"optimizer.lr": 1e-3, "cell.forget_bias": 3, **entry["tuned"].get("4", {})}
    assert score[tuple(chosen.values())] == pytest.approx(min(score.values()))
    assert chosen["optimizer.lr"] > 1e-3  # 50 steps are few


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["task.T=60"], "longlag horizon sets task.T itself; use start, most and per_doubling"),
        (["seed=0,1"], "longlag horizon sets seed itself; use seeds and first_seed"),
        (["budget=0"], "budget must be an integer from 1 to 1,000,000,000,000, got 0"),
        (["budget=100"], "budget=100 is less than one step of 256 sequences"),
        (["rate=2"], "rate must be a number from 0.01 to 1, got 2"),
        (["tune=all"], "tune must be none or grid, got 'all'"),
        (["start=2"], "task: T must be an integer of at least 3 (2 bits and a gap), got 2"),
        (["cell=lstmm"], "no cell 'lstmm'"),
        (["cell.hiden_size=4"], "no key 'cell.hiden_size'"),
        (["-m"], "longlag horizon takes KEY=VALUE, got '-m'"),
        (["experiment=demo"], "an experiment that is a grid"),
    ],
)
def test_a_wrong_request_is_one_line(longlag, words, line):
    said = longlag("horizon", *words)
    assert (said.code, said.out) == (2, "")
    (only,) = said.err.splitlines()
    assert only.startswith("longlag: ")
    assert line in only
    assert not Path("outputs").exists()


def test_another_file_in_the_place_of_the_horizons_is_one_line(longlag):
    JSON.parent.mkdir(parents=True)
    JSON.write_text("[]")
    said = longlag("horizon", *SMALL, "most=4", "budget=64", "seeds=1")
    assert said.code == 2
    assert "horizon.json" in said.err.splitlines()[-1]
    assert JSON.read_text() == "[]"
