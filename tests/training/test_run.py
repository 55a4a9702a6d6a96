import json
import re
import signal
from functools import partial

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from longlag.tasks.delayed_xor import DelayedXOR

from longlag.runs import read_run
from longlag.runs.metrics_csv import read_metrics
from longlag.training.run import train_run


def weights(plan):
    return torch.load(plan.folder.last_checkpoint, weights_only=True)["state_dict"]


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class At(Callback):
    """Do something when a step has been taken."""

    def __init__(self, step, action):
        self.step, self.action = step, action

    def on_train_batch_end(self, trainer, pl_module, *_):
        if trainer.global_step == self.step:
            self.action()


class Steps(Callback):
    """Note which steps are taken."""

    def __init__(self):
        self.taken = []

    def on_train_batch_end(self, trainer, pl_module, *_):
        self.taken.append(trainer.global_step)


def raising(error):
    def action():
        raise error

    return action


def test_a_run_that_is_not_solved_is_done_and_leaves_everything(plan):
    made = plan()
    status = train_run(made)
    run = read_run(made.folder.path)
    assert status == run.status
    assert (status.state, status.step, status.reason) == ("done", 6, "")
    assert status.started <= status.ended
    assert status.versions["torch"] == torch.__version__
    assert run.config["task"]["T"] == 8
    assert run.config["run"] == {"cell": "lstm", "task": "delayed_xor", "T": 8, "forget_bias": 1.0, "seed": 0}
    assert run.summary["solved"] is False
    assert run.summary["solved_step"] is None
    assert (run.summary["steps"], run.summary["sequences"]) == (6, 6 * 256)
    assert 0 <= run.summary["test/acc"] <= 1
    assert run.summary["seconds"] > 0
    assert run.summary["early_gradient_init"] > 0
    assert run.summary["parameters"] == 4 * 4 * (4 + 2 + 1) + 2 * (4 + 1)
    assert {p.name for p in made.folder.checkpoints.iterdir()} == {"best.ckpt", "last.ckpt"}
    rows = read_metrics(made.folder.metrics)
    assert list(rows) == [0, 2, 4, 6]
    figures = [{name for name in row if not name.startswith("layer1/")} for row in rows.values()]
    assert figures[0] == {"early_gradient", "sequences", "train/loss", "train/grad_norm", "train/grad_norm_clipped"}
    assert figures[2] == {"early_gradient", "sequences", "val/acc", "val/loss"}
    assert "test/acc" in rows[6]


def test_the_figures_stand_at_the_steps_whose_weights_they_describe(plan):
    """val/loss at step 2 is the loss of the weights after two updates, made here with plain PyTorch."""
    made = plan("trainer.log_every_n_steps=1", "trainer.max_steps=4")
    train_run(made)
    rows = read_metrics(made.folder.metrics)

    torch.manual_seed(0)
    model, task = made.model(), made.task
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    train, val = task.train_batch(0), task.draw("val", 0, 256)
    for step in range(4):
        loss = task.loss(model(train.inputs), train)
        assert rows[step]["train/loss"] == loss.item()
        assert rows[step]["sequences"] == 256 * step
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step + 1 in (2, 4):
            with torch.no_grad():
                outputs = model(val.inputs)
            assert rows[step + 1]["val/loss"] == pytest.approx(task.loss(outputs, val).item(), rel=1e-6)
            assert rows[step + 1]["val/acc"] == (outputs.argmax(1) == val.targets).float().mean().item()
    trained = {f"model.{name}": p for name, p in model.state_dict().items()}
    assert equal(weights(made), trained)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(plan):
    runs = [plan(f"seed={seed}", folder=name) for seed, name in ((3, "a"), (3, "b"), (4, "c"))]
    for made in runs:
        train_run(made)
    first, again, other = (weights(made) for made in runs)
    assert equal(first, again)
    assert not equal(first, other)
    assert read_metrics(runs[0].folder.metrics) == read_metrics(runs[1].folder.metrics)


def easy(*more):
    """A setting that is solved within some dozens of steps."""
    return ("task.T=3", "cell.hidden_size=16", "optimizer.lr=0.03", "trainer.max_steps=200", *more)


def test_a_solved_run_stops_there_and_says_when(plan):
    made = plan(*easy())
    status = train_run(made)
    summary = made.folder.read_summary()
    assert status.state == "solved"
    assert summary["solved_step"] == summary["steps"] == status.step < 200
    assert summary["solved_sequences"] == 256 * status.step
    assert summary["val/acc"] >= 0.99
    assert summary["test/acc"] > 0.95
    rows = read_metrics(made.folder.metrics)
    earlier = [row["val/acc"] for step, row in rows.items() if "val/acc" in row and step < status.step]
    assert earlier
    assert max(earlier) < 0.99


def test_without_stopping_the_time_to_solve_is_the_same(plan):
    stopped, went_on = plan(*easy(), folder="a"), plan(*easy("stop_when_solved=false"), folder="b")
    train_run(stopped)
    status = train_run(went_on)
    assert status.state == "solved"
    assert status.step == 200
    assert went_on.folder.read_summary()["solved_step"] == stopped.folder.read_summary()["solved_step"]


def test_a_loss_that_is_not_finite_ends_the_run_as_diverged(plan):
    made = plan("optimizer=sgd", "optimizer.lr=1e38")
    status = train_run(made)
    assert status.state == "diverged"
    assert status.reason.startswith("the training loss is nan at step") or "inf" in status.reason
    assert read_run(made.folder.path).status == status
    assert "Traceback" not in made.folder.log.read_text()
    assert json.loads((made.folder.path / "summary.json").read_text())["state"] == "diverged"


def test_a_run_that_raises_is_failed_with_its_traceback_in_the_log(plan):
    made = plan(callbacks=[At(3, raising(RuntimeError("the disk is made of cheese")))])
    status = train_run(made)
    assert (status.state, status.step) == ("failed", 3)
    assert re.fullmatch(r"RuntimeError: the disk is made of cheese \(.*test_run\.py, line \d+\)", status.reason)
    assert "the disk is made of cheese" in made.folder.log.read_text()
    assert "Traceback" in made.folder.log.read_text()


@pytest.mark.parametrize("cut_at", [3, 4, 5])
@pytest.mark.parametrize(
    "data",
    [
        (),
        ("task/splits=endless", "task.splits.batch_size=8"),
        ("task.splits.batch_size=64",),
        ("model.layers=2", "model.dropout=0.3", "model.residual=true"),
        ("engine=torch",),
    ],
)
def test_a_run_that_was_cut_and_resumed_has_the_very_weights_of_one_that_was_not(plan, cut_at, data):
    whole = plan(*data, folder="whole")
    train_run(whole)
    cut = plan(*data, folder="cut", callbacks=[At(cut_at, raising(KeyboardInterrupt()))])
    before = signal.getsignal(signal.SIGINT)
    assert train_run(cut).state == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before
    rest = Steps()
    status = train_run(plan(*data, folder="cut", callbacks=[rest]))
    assert (status.state, status.step) == ("done", 6)
    assert rest.taken == list(range((cut_at - 1) // 2 * 2 + 1, 7))  # on from the last validation before the cut
    assert equal(weights(whole), weights(cut))
    assert read_metrics(whole.folder.metrics) == read_metrics(cut.folder.metrics)
    assert cut.folder.error_flow.read_bytes() == whole.folder.error_flow.read_bytes()
    one, other = whole.folder.read_summary(), cut.folder.read_summary()
    assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}


def test_what_is_dropped_follows_from_the_seed_and_the_step(plan):
    """Two runs of one seed drop the same, one of another seed drops something else, and every step something new."""

    class Drawn(Callback):
        def __init__(self):
            self.values = []

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            self.values.append(tuple(torch.rand(5, generator=pl_module.dropping(batch_idx)).tolist()))

    dropping = ("model.layers=2", "model.dropout=0.3", "task.splits.seed=0")
    notes, plans = [Drawn() for _ in range(3)], []
    for note, seed, folder in zip(notes, (0, 0, 1), "abc", strict=True):
        plans.append(plan(*dropping, f"seed={seed}", folder=folder, callbacks=[note]))
        train_run(plans[-1])
    assert notes[0].values == notes[1].values
    assert len({*notes[0].values, *notes[2].values}) == 12
    assert equal(weights(plans[0]), weights(plans[1]))


def test_a_resumed_run_with_accumulated_gradients_drops_what_it_would_have_dropped(plan):
    settings = ("model.layers=2", "model.dropout=0.3", "trainer.accumulate_grad_batches=2")
    whole = plan(*settings, folder="whole")
    train_run(whole)
    cut = plan(*settings, folder="cut", callbacks=[At(4, raising(KeyboardInterrupt()))])
    assert train_run(cut).state == "interrupted"
    assert train_run(plan(*settings, folder="cut")).state == "done"
    assert equal(weights(whole), weights(cut))


def test_a_run_that_failed_before_its_first_checkpoint_starts_over(plan):
    failed = plan(callbacks=[At(1, raising(RuntimeError("no")))])
    train_run(failed)
    assert not failed.folder.last_checkpoint.exists()
    assert train_run(plan()).state == "done"
    whole = plan(folder="whole")
    train_run(whole)
    assert equal(weights(failed), weights(whole))


def test_a_resumed_run_can_go_further(plan):
    longer = plan("trainer.max_steps=10", folder="longer")
    train_run(longer)
    first = plan(folder="two")
    train_run(first)
    rest = Steps()
    train_run(plan("trainer.max_steps=10", folder="two", callbacks=[rest]))
    assert rest.taken == [7, 8, 9, 10]
    assert equal(weights(longer), weights(first))
    assert first.folder.read_summary()["steps"] == 10


def test_steps_that_end_between_validations_are_validated_too(plan):
    made = plan("trainer.max_steps=5")
    status = train_run(made)
    rows = read_metrics(made.folder.metrics)
    assert status.step == 5
    assert "val/acc" in rows[5]
    assert torch.load(made.folder.last_checkpoint, weights_only=True)["global_step"] == 5


def test_clipping_and_precision_reach_the_trainer(plan):
    free, clipped = plan(folder="a"), plan("trainer.gradient_clip_val=1e-4", "optimizer=sgd", folder="b")
    unclipped = plan("optimizer=sgd", folder="c")
    double = plan("trainer.precision=64-true", folder="d")
    for made in (free, clipped, unclipped, double):
        assert train_run(made).state == "done"
    start = {f"model.{name}": p for name, p in _initial(clipped).items()}
    moved = sum((weights(clipped)[name] - p).square().sum() for name, p in start.items()).sqrt().item()
    assert moved <= 6 * 0.1 * 1e-4 * 1.001  # six steps of lr 0.1, each of a gradient of norm 1e-4
    assert not equal(weights(clipped), weights(unclipped))
    assert next(iter(weights(double).values())).dtype is torch.float64


def _initial(plan):
    torch.manual_seed(plan.seed)
    return plan.model().state_dict()


def test_bf16_trains(plan):
    assert train_run(plan("trainer.precision=bf16-mixed")).state == "done"


def test_the_status_says_running_while_it_runs(plan):
    made = plan()
    seen = []
    object.__setattr__(made, "callbacks", [At(2, lambda: seen.append(made.folder.read_status()))])
    train_run(made)
    assert [status.state for status in seen] == ["running"]


def test_a_probe_can_be_left_out(plan):
    made = plan("probe=none")
    train_run(made)
    assert "early_gradient" not in read_metrics(made.folder.metrics)[2]
    assert "early_gradient_init" not in made.folder.read_summary()


def test_without_a_logger_the_summary_is_still_there(plan):
    made = plan("logger=none")
    train_run(made)
    assert not made.folder.metrics.exists()
    assert made.folder.read_summary()["steps"] == 6


def test_the_task_of_a_plan_is_the_one_in_the_settings(plan):
    assert isinstance(plan().task, DelayedXOR)
    assert plan().task.T == 8


def test_a_solved_run_that_was_killed_before_its_test_takes_no_further_step(plan):
    whole = plan(*easy(), folder="whole")
    train_run(whole)

    class DiesInTheTest(Callback):
        def on_test_start(self, trainer, pl_module):
            raise KeyboardInterrupt

    cut = plan(*easy(), folder="cut", callbacks=[DiesInTheTest()])
    assert train_run(cut).state == "interrupted"
    status = train_run(plan(*easy(), folder="cut"))
    assert (status.state, status.step) == ("solved", whole.folder.read_status().step)
    assert equal(weights(whole), weights(cut))
    one, other = whole.folder.read_summary(), cut.folder.read_summary()
    assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}


def test_a_run_of_one_step_has_a_best_checkpoint_too(plan):
    made = plan("trainer.max_steps=1")
    train_run(made)
    assert {p.name for p in made.folder.checkpoints.iterdir()} == {"best.ckpt", "last.ckpt"}


def test_best_and_last_are_different_checkpoints(plan):
    made = plan(*easy("stop_when_solved=false"))
    train_run(made)
    best = torch.load(made.folder.checkpoints / "best.ckpt", weights_only=True)
    last = torch.load(made.folder.last_checkpoint, weights_only=True)
    accuracies = {step: row["val/acc"] for step, row in read_metrics(made.folder.metrics).items() if "val/acc" in row}
    assert accuracies[best["global_step"]] == max(accuracies.values())
    assert last["global_step"] == max(accuracies) == 200


def test_weights_that_broke_in_the_last_step_are_diverged_too(plan):
    status = train_run(plan("optimizer=sgd", "optimizer.lr=1e38", "trainer.max_steps=1"))
    assert status.state == "diverged"
    assert status.reason.startswith("the validation loss is ")


def test_a_finished_run_that_is_resumed_without_more_to_do_keeps_its_figures(plan):
    train_run(plan())
    made = plan()
    before = made.folder.read_summary()
    assert train_run(made).state == "done"
    after = made.folder.read_summary()
    assert {k: v for k, v in before.items() if k != "seconds"} == {k: v for k, v in after.items() if k != "seconds"}


def test_an_endless_stream_goes_on_from_epoch_to_epoch(plan):
    made = plan("task/splits=endless", "trainer.log_every_n_steps=1")
    object.__setattr__(made, "trainer", partial(made.trainer, limit_train_batches=2))
    drawn, train_batch = [], made.task.train_batch
    made.task.train_batch = lambda k: drawn.append(k) or train_batch(k)
    assert train_run(made).state == "done"
    trained = sorted(set(drawn))[:6]
    assert trained == [0, 1, 2, 3, 4, 5]
    assert all(drawn.count(k) <= 2 for k in trained)  # twice, where it had been fetched ahead


def test_accumulated_gradients_make_one_step_of_two_batches(plan):
    data = ("task.splits.batch_size=128", "trainer.max_steps=3", "trainer.val_check_interval=2")
    made = plan(*data, "trainer.accumulate_grad_batches=2")
    assert train_run(made).step == 3
    assert made.folder.read_summary()["sequences"] == 3 * 256


def test_what_cannot_even_start_is_failed_and_closed(plan):
    def nothing():
        raise RuntimeError("no model today")

    status = train_run(plan(model=nothing))
    assert (status.state, status.step) == ("failed", 0)
    assert re.fullmatch(r"RuntimeError: no model today \(.*test_run\.py, line \d+\)", status.reason)
