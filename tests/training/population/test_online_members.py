"""Runs that learn on-line are those of SGD with one sequence a batch, and the same alone and beside others."""

import csv
import signal

import pytest
import torch
from members import assert_same_run, checkpoint, population

from longlag.training.callbacks.stopping import StopRequest
from longlag.training.online import Online
from longlag.training.population.online_steps import OnlineSteps
from longlag.training.run import train_run

ONE = (
    "task/splits=endless",
    "task.splits.batch_size=1",
    "task.splits.val_size=8",
    "task.splits.test_size=8",
    "probe=none",
)
STEPS = ("trainer.max_steps=200", "trainer.val_check_interval=40", "trainer.log_every_n_steps=30")
SHORT = (*ONE, "task=adding", "trainer.max_steps=50", "trainer.val_check_interval=20", "trainer.log_every_n_steps=7")
ONLINE = ("optimizer=online", "stop_when_solved=false")

KINDS = {
    "lstm": ("task=adding",),
    "gru": ("task=adding", "cell=gru", "optimizer.momentum=0.5"),
    "truncated": ("task=adding", "cell=lstm_1997", "cell.block_size=2", "optimizer.momentum=0.9", "optimizer.lr=0.02"),
    "linear": ("task=periodic_triangle", "task.T=4", "task.periods=2", "task.eval_periods=2"),
    "some targets": ("task=two_sequence_noisy_target",),
    "every step": ("task=embedded_reber", "task.T=12"),
    "classes": ("task=delayed_xor",),
    "classes at steps": ("task=copy_memory", "cell=lstm_1997"),
    "fixed": ("task=delayed_xor", "task/splits=fixed", "task.splits.train_size=30"),
}


def weights(folder):
    return torch.cat([part.flatten() for part in checkpoint(folder)["state_dict"].values()])


def losses(folder):
    with (folder / "metrics.csv").open() as file:
        return [(row["step"], float(row["train/loss"])) for row in csv.DictReader(file) if row["train/loss"]]


@pytest.mark.parametrize("kind", KINDS)
def test_the_run_is_that_of_sgd_with_one_sequence_a_batch(kind, plan, tmp_path):
    asked = (*ONE, *STEPS, *KINDS[kind], "trainer.precision=64-true", "stop_when_solved=false")
    train_run(plan("optimizer=sgd", *asked, folder="sgd"))
    (status,) = population([plan("optimizer=online", *asked, folder="online")]).values()
    assert (status.state, status.step) == ("done", 200)
    got, wanted = weights(tmp_path / "online"), weights(tmp_path / "sgd")
    assert ((got - wanted).norm() / wanted.norm()).item() < 1e-12
    for (step, loss), (same, other) in zip(losses(tmp_path / "online"), losses(tmp_path / "sgd"), strict=True):
        assert step == same
        assert loss == pytest.approx(other, rel=1e-9)


def test_a_criterion_over_the_latest_training_sequences_is_met_at_the_same_step(plan):
    ended = {}
    for optimizer in ("sgd", "online"):
        made = plan(*SHORT, f"optimizer={optimizer}", "trainer.precision=64-true", folder=optimizer)
        made.task.recent = 30
        made.task.solved = lambda values: values.get("recent/error", 1) < 0.2
        ended[optimizer] = train_run(made) if optimizer == "sgd" else population([made])["online"]
    assert ended["online"].state == ended["sgd"].state == "solved"
    assert ended["online"].step == ended["sgd"].step > 20


RATES = [("optimizer.lr=0.1", "optimizer.momentum=0.9"), ("optimizer.lr=0.02",), ("optimizer.lr_decay=0.99",)]


@pytest.mark.parametrize(
    "more", [(), ("cell=lstm_1997", "optimizer.update=step"), ("task=temporal_order", "task.T=30")]
)
def test_a_member_alone_is_the_member_among_others(more, plan, tmp_path):
    runs = [(*SHORT, *ONLINE, *more, *RATES[k], f"seed={k}", f"trainer.max_steps={50 - 9 * k}") for k in range(3)]
    for k, run in enumerate(runs):
        population([plan(*run, folder=f"alone{k}")])
    population([plan(*run, folder=f"member{k}") for k, run in enumerate(runs)], at_once=2)
    for k in range(3):
        assert_same_run(tmp_path / f"alone{k}", tmp_path / f"member{k}")


@pytest.mark.parametrize(("after", "step"), [(1, 20), (2, 31), (3, 40)])
def test_runs_that_were_stopped_go_on_exactly(after, step, plan, tmp_path, monkeypatch):
    def stop(population):
        rounds.append(0)
        if len(rounds) == after:
            request.by = signal.SIGTERM

    monkeypatch.setattr(OnlineSteps, "most", lambda self, members: 11)
    runs = [(*SHORT, *ONLINE, *RATES[k], f"seed={k}") for k in range(3)]
    rounds, request = [], StopRequest()
    ended = population([plan(*run, folder=f"member{k}") for k, run in enumerate(runs)], 2, request, stop)
    assert {status.step for status in ended.values()} == {step}  # of the round after the signal
    population([plan(*run, folder=f"member{k}") for k, run in enumerate(runs)])
    monkeypatch.undo()
    population([plan(*run, folder=f"alone{k}") for k, run in enumerate(runs)])
    for k in range(3):
        assert_same_run(tmp_path / f"alone{k}", tmp_path / f"member{k}")


def test_a_solved_member_leaves_at_its_validation(plan, tmp_path):
    runs = [(*SHORT, "optimizer=online", f"seed={k}") for k in range(2)]
    made = [plan(*run, folder=f"member{k}") for k, run in enumerate(runs)]
    made[0].task.solved = lambda values: True
    ended = population(made)
    assert [(status.state, status.step) for status in ended.values()] == [("solved", 20), ("done", 50)]
    population([plan(*runs[1], folder="alone1")])
    assert_same_run(tmp_path / "alone1", tmp_path / "member1")


def test_a_member_that_diverges_or_fails_touches_nobody(plan, tmp_path):
    runs = [(*SHORT, *ONLINE, f"seed={k}") for k in range(3)]
    wild = (*SHORT, "task=periodic_triangle", "task.periods=2", "task.eval_periods=2", "optimizer.lr=1e30")
    (status,) = population([plan(*wild, "optimizer=online", folder="wild")]).values()
    sgd = train_run(plan(*wild, "optimizer=sgd", folder="sgd"))
    assert (status.state, status.step, status.reason) == ("diverged", sgd.step, sgd.reason)

    made = [plan(*run, folder=f"member{k}") for k, run in enumerate(runs)]
    drawn = made[1].task.train_sequences
    made[1].task.train_sequences = lambda first, count, symbols: 1 / 0 if first else drawn(first, count, symbols)
    ended = population(made)
    assert [status.state for status in ended.values()] == ["failed", "done", "done"]
    assert ended["member1"].reason.startswith("ZeroDivisionError")
    for k in (0, 2):
        population([plan(*runs[k], folder=f"alone{k}")])
        assert_same_run(tmp_path / f"alone{k}", tmp_path / f"member{k}")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"lr": -1}, "lr must be a number of at least 0, got -1"),
        ({"momentum": "much"}, "momentum must be a number of at least 0, got 'much'"),
        ({"lr_decay": 2}, "lr_decay must be a number above 0 and at most 1, got 2"),
        ({"lr_decay_by": "step"}, "lr_decay_by must be sequence or update, got 'step'"),
        ({"update": "epoch"}, "update must be sequence or step, got 'epoch'"),
        ({"way": "forth"}, "way must be auto or back or traces, got 'forth'"),
    ],
)
def test_an_argument_is_checked(setting, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Online([torch.nn.Parameter(torch.ones(1))], **setting)


def test_nobody_else_takes_its_steps(plan):
    with pytest.raises(RuntimeError, match="native engine"):
        Online([torch.nn.Parameter(torch.ones(1))]).step()
    status = train_run(plan(*SHORT, "optimizer=online"))
    assert status.state == "failed"
    assert "Online takes no steps" in status.reason
