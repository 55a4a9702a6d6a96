"""Members leave and join, fail alone, and go on alone or in any population."""

import math
import signal

import pytest
from members import assert_same_run, population

from longlag.training.callbacks.stopping import StopRequest
from longlag.training.run import train_run

STEPS = ("trainer.max_steps=9", "trainer.val_check_interval=2", "trainer.log_every_n_steps=2", "stop_when_solved=false")


def names(count):
    return [f"member{number}" for number in range(count)]


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_members_that_leave_make_room_for_waiting_ones(plan, tmp_path, at_once):
    budgets = [9, 3, 6, 5, 7]
    runs = [(*STEPS, f"seed={k}", f"trainer.max_steps={steps}") for k, steps in enumerate(budgets)]
    most = []
    ended = population(
        [plan(*run, folder=f"member{k}") for k, run in enumerate(runs)],
        at_once,
        progress=lambda current: most.append(len(current.members)),
    )
    assert [ended[name].step for name in names(5)] == budgets
    assert max(most) <= at_once
    for k, run in enumerate(runs):
        train_run(plan(*run, folder=f"alone{k}"))
        assert_same_run(tmp_path / f"alone{k}", tmp_path / f"member{k}")


def test_a_solved_member_leaves_at_its_validation(plan, tmp_path):
    runs = [(*STEPS, "stop_when_solved=true", f"seed={k}") for k in range(3)]
    for folder in ("alone", "member"):
        made = [plan(*run, folder=f"{folder}{k}") for k, run in enumerate(runs)]
        made[1].task.solved = lambda values: values["val/acc"] > 0
        if folder == "member":
            ended = population(made)
        else:
            for each in made:
                train_run(each)
    assert [ended[name].state for name in names(3)] == ["done", "solved", "done"]
    assert [ended[name].step for name in names(3)] == [9, 2, 9]
    for k in range(3):
        assert_same_run(tmp_path / f"alone{k}", tmp_path / f"member{k}")


def test_a_member_that_diverges_or_fails_touches_nobody(plan, tmp_path):
    def broken(k):
        if k == 3:
            raise RuntimeError("no more sequences")
        return drawn(k)

    runs = [(*STEPS, f"seed={k}") for k in range(4)]
    runs[1] = (*runs[1], "optimizer=sgd", "optimizer.lr=0.1")
    runs = [(*run, "optimizer=sgd") for run in runs]
    for folder in ("alone", "member"):
        made = [plan(*run, folder=f"{folder}{k}") for k, run in enumerate(runs)]
        loss, judged = made[1].task.loss, []
        made[1].task.loss = lambda *given, loss=loss, judged=judged: (
            loss(*given) * (math.nan if judged.append(0) or len(judged) > 12 else 1)
        )
        drawn = made[2].task.train_batch
        made[2].task.train_batch = broken
        if folder == "member":
            ended = population(made)
        else:
            alone = [train_run(each) for each in made]
    assert [ended[name].state for name in names(4)] == ["done", "diverged", "failed", "done"]
    assert [status.state for status in alone] == ["done", "diverged", "failed", "done"]
    assert ended["member2"].reason == alone[2].reason
    assert "RuntimeError: no more sequences" in (tmp_path / "member2" / "train.log").read_text()
    assert ended["member1"].step == alone[1].step
    for k in (0, 3):
        assert_same_run(tmp_path / f"alone{k}", tmp_path / f"member{k}")


@pytest.mark.parametrize("after", [1, 2, 3, 5])
def test_members_that_were_stopped_go_on_alone_and_in_other_populations(plan, tmp_path, after):
    def stop(population):
        rounds.append(0)
        if len(rounds) == after:
            request.by = signal.SIGTERM

    runs = [(*STEPS, f"seed={k}") for k in range(4)]
    rounds, request = [], StopRequest()
    ended = population([plan(*run, folder=f"member{k}") for k, run in enumerate(runs)], 3, request, stop)
    assert [status.state for status in ended.values()] == ["interrupted"] * 3
    assert {status.step for status in ended.values()} == {after + 1}
    again = [plan(*run, folder=f"member{k}") for k, run in enumerate(runs)]
    assert train_run(again[0]).state == "done"
    assert [status.state for status in population(again[1:3]).values()] == ["done"] * 2
    assert [status.state for status in population(again[3:]).values()] == ["done"]
    for k, run in enumerate(runs):
        train_run(plan(*run, folder=f"alone{k}"))
        assert_same_run(tmp_path / f"alone{k}", tmp_path / f"member{k}")


def test_a_run_that_was_stopped_alone_goes_on_as_a_member_beside_new_ones(plan, tmp_path):
    short = [(*STEPS, f"seed={k}", f"trainer.max_steps={4 + k}") for k in range(2)]
    for k, run in enumerate(short):
        train_run(plan(*run, folder=f"member{k}"))
        train_run(plan(*run, folder=f"alone{k}"))
    runs = [(*STEPS, f"seed={k}") for k in range(3)]
    population([plan(*run, folder=f"member{k}") for k, run in enumerate(runs)])
    for k, run in enumerate(runs):
        train_run(plan(*run, folder=f"alone{k}"))
        assert_same_run(tmp_path / f"alone{k}", tmp_path / f"member{k}")


def test_a_member_whose_time_is_over_pauses(plan):
    late = plan(*STEPS, "seed=0", "trainer.max_steps=100000", folder="late", max_time="00:00:00:01")
    ended = population([late, plan(*STEPS, "seed=1", folder="other")])
    assert (ended["late"].state, ended["other"].state) == ("paused", "done")
    assert late.folder.last_checkpoint.exists()
    assert 0 < ended["late"].step < 100000


def test_an_error_of_the_population_itself_ends_every_member_as_failed(plan):
    def break_down(population):
        raise RuntimeError("a fault")

    ended = population([plan(*STEPS, f"seed={k}", folder=f"member{k}") for k in range(2)], progress=break_down)
    assert [status.state for status in ended.values()] == ["failed"] * 2
    assert all(status.reason.startswith("RuntimeError: a fault (tests/") for status in ended.values())
