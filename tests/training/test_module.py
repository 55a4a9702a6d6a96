"""SequenceModule in a plain ``lightning.Trainer``, as a reader would use it."""

import csv
from functools import partial

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from longlag.tasks.delayed_xor import DelayedXOR
from longlag.tasks.embedded_reber import EmbeddedReber
from torchmetrics import F1Score

from longlag.cells import LSTMCell
from longlag.model import SequenceModel
from longlag.runs.metrics_csv import read_metrics
from longlag.task import Splits
from longlag.training import EarlyGradient, SequenceModule
from longlag.training.run import train_run

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec"),  # Lightning's own use of torch
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),  # of a task, which draws its batches
]
SPLITS = Splits(seed=0, batch_size=32, train_size=32, val_size=40, test_size=300)


def module_for(task, **more):
    torch.manual_seed(0)
    model = SequenceModel(LSTMCell(task.input_size, 8), task.output_size, task.readout)
    return SequenceModule(model, task, partial(torch.optim.Adam, lr=0.01), **more)


def trainer(tmp_path, **chosen):
    settings = {
        "accelerator": "cpu", "devices": 1, "max_epochs": -1, "max_steps": 8, "val_check_interval": 2,
        "check_val_every_n_epoch": None, "logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
        "enable_model_summary": False, "default_root_dir": tmp_path,
    }  # fmt: skip
    return Trainer(**{**settings, **chosen})


@pytest.fixture
def task():
    return DelayedXOR(T=6, splits=SPLITS)


def judged(module, split, n):
    """The figures of a split, with plain PyTorch."""
    batch = module.task.draw(split, 0, n)
    with torch.no_grad():
        outputs = module.model(batch.inputs, batch.lengths)
    return (outputs.argmax(1) == batch.targets).float().mean().item(), module.task.loss(outputs, batch).item()


def test_test_returns_the_figures_of_the_test_split(tmp_path, task):
    task.splits = Splits(seed=0, batch_size=32, train_size=32, val_size=40, test_size=200)
    module, made = module_for(task), trainer(tmp_path)
    made.fit(module, datamodule=task)
    (figures,) = made.test(module, datamodule=task, verbose=False)
    acc, loss = judged(module, "test", 200)
    assert figures == pytest.approx({"test/acc": acc, "test/loss": loss}, rel=1e-6)
    assert {"test/acc", "test/loss"} <= made.callback_metrics.keys()


def test_validate_returns_the_figures_of_the_validation_split(tmp_path, task):
    module = module_for(task)
    (figures,) = trainer(tmp_path).validate(module, datamodule=task, verbose=False)
    acc, loss = judged(module, "val", 40)
    assert figures == pytest.approx({"val/acc": acc, "val/loss": loss}, rel=1e-6)


def test_the_callback_metrics_are_those_of_the_last_validation(tmp_path, task):
    module, made = module_for(task), trainer(tmp_path, gradient_clip_val=0.1, log_every_n_steps=1)
    made.fit(module, datamodule=task)
    metrics = {name: value.item() for name, value in made.callback_metrics.items()}
    assert metrics.keys() == {"train/loss", "train/grad_norm", "train/grad_norm_clipped", "val/acc", "val/loss"}
    assert (metrics["val/acc"], metrics["val/loss"]) == pytest.approx(judged(module, "val", 40), rel=1e-6)
    assert metrics["train/grad_norm_clipped"] == pytest.approx(min(0.1, metrics["train/grad_norm"]), rel=1e-4)
    assert module.measured == pytest.approx(metrics)


def test_a_checkpoint_is_chosen_by_the_accuracy_and_another_by_the_loss(tmp_path, task):
    best = ModelCheckpoint(tmp_path, filename="acc", monitor="val/acc", mode="max")
    lowest = ModelCheckpoint(tmp_path, filename="loss", monitor="val/loss")
    seen = []

    class Seen(Callback):
        def on_validation_end(self, trainer, pl_module):
            if not trainer.sanity_checking:
                seen.append({name: value.item() for name, value in trainer.callback_metrics.items()})

    made = trainer(tmp_path, enable_checkpointing=True, callbacks=[Seen(), best, lowest])
    made.fit(module_for(task), datamodule=task)
    assert len(seen) == 4
    assert best.best_model_score.item() == max(figures["val/acc"] for figures in seen)
    assert lowest.best_model_score.item() == min(figures["val/loss"] for figures in seen)
    assert {path.name for path in tmp_path.iterdir()} == {"acc.ckpt", "loss.ckpt"}


def test_early_stopping_sees_the_validation_loss(tmp_path, task):
    stopping = EarlyStopping(monitor="val/loss", patience=1, min_delta=100.0)  # nothing improves by so much
    made = trainer(tmp_path, max_steps=50, callbacks=[stopping])
    made.fit(module_for(task), datamodule=task)
    assert stopping.stopped_epoch == 0
    assert made.global_step == 4  # the second validation


def test_the_loggers_of_a_reader_have_the_curves(tmp_path, task):
    """Lightning's own steps: the training loss of every third step, the validation metrics under the step before."""
    logger = CSVLogger(tmp_path)
    module = module_for(task)
    made = trainer(tmp_path, logger=logger, log_every_n_steps=3, callbacks=[EarlyGradient(size=4)])
    expected = task.loss(module.model(*task.train_batch(0)[:1]), task.train_batch(0)).item()
    made.fit(module, datamodule=task)
    made.test(module, datamodule=task, verbose=False)
    with (tmp_path / "lightning_logs/version_0/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))

    def steps(name):
        return [int(row["step"]) for row in rows if row[name]]

    assert steps("train/loss") == steps("train/grad_norm") == [2, 5]
    assert steps("val/acc") == steps("val/loss") == [1, 3, 5, 7]
    assert steps("early_gradient") == [0, 1, 3, 5, 7]
    assert steps("test/acc") == [8]
    first, second = (float(row["train/loss"]) for row in rows if row["train/loss"])
    assert second < first < expected  # two and five steps later than the first loss


def test_what_the_sanity_check_sees_is_not_recorded(tmp_path, task):
    """Two validation batches before training: Lightning's default."""
    logger = CSVLogger(tmp_path)
    module = module_for(task)
    made = trainer(tmp_path, logger=logger, num_sanity_val_steps=2, max_steps=1, val_check_interval=5)
    made.fit(module, datamodule=task)
    assert "val/acc" not in module.measured
    made.validate(module, datamodule=task, verbose=False)
    assert module.measured["val/acc"] == pytest.approx(judged(module, "val", 40)[0])


def test_a_task_that_judges_its_training_set_logs_it_too(tmp_path):
    task = EmbeddedReber(splits=Splits(seed=0, batch_size=16, train_size=16, val_size=8, test_size=8))
    made = trainer(tmp_path)
    made.fit(module_for(task), datamodule=task)
    assert {"train/acc", "train/symbol_acc", "val/symbol_acc"} <= made.callback_metrics.keys()


def test_a_metric_of_torchmetrics_is_logged_beside_those_of_the_task(tmp_path, task):
    f1 = F1Score(task="multiclass", num_classes=2, average="macro")
    module, made = module_for(task, metrics={"f1": f1}), trainer(tmp_path)
    made.fit(module, datamodule=task)
    assert {"val/acc", "val/f1"} <= made.callback_metrics.keys()
    (figures,) = made.test(module, datamodule=task, verbose=False)
    assert figures.keys() == {"test/acc", "test/loss", "test/f1"}
    batch = task.draw("test", 0, 256), task.draw("test", 1, 44)
    with torch.no_grad():
        guesses = torch.cat([module.model(each.inputs, each.lengths).argmax(1) for each in batch])
    targets = torch.cat([each.targets for each in batch])
    assert figures["test/f1"] == pytest.approx(sum(f1_by_hand(guesses == k, targets == k) for k in (0, 1)) / 2)


def f1_by_hand(guessed, right):
    both = (guessed & right).sum().item()
    return 2 * both / (guessed.sum() + right.sum()).item()


@pytest.mark.parametrize("checkpoint", ["best", "last"])
def test_a_module_is_loaded_from_the_checkpoint_of_a_run(plan, tmp_path, checkpoint):
    made = plan("seed=3")
    train_run(made)
    path = made.folder.checkpoints / f"{checkpoint}.ckpt"
    stored = torch.load(path, weights_only=True)
    assert stored["hyper_parameters"] == {"seed": 3}
    module = SequenceModule.load_from_checkpoint(path, model=made.model(), task=made.task)
    assert all(torch.equal(weight, stored["state_dict"][name]) for name, weight in module.state_dict().items())
    assert (module.seed, module.measured) == (3, stored["figures"])
    (figures,) = trainer(tmp_path / "again").validate(module, datamodule=made.task, verbose=False)
    assert figures["val/acc"] == pytest.approx(stored["figures"]["val/acc"])
    assert figures["val/loss"] == pytest.approx(stored["figures"]["val/loss"], rel=1e-6)


def test_a_loaded_module_without_an_optimizer_says_so_when_it_is_trained(plan, tmp_path):
    made = plan()
    train_run(made)
    path = made.folder.last_checkpoint
    module = SequenceModule.load_from_checkpoint(path, model=made.model(), task=made.task)
    with pytest.raises(ValueError, match="SequenceModule needs an optimizer to train"):
        trainer(tmp_path / "again").fit(module, datamodule=made.task)
    going_on = SequenceModule.load_from_checkpoint(
        path, model=made.model(), task=made.task, optimizer=made.optimizer, seed=7
    )
    assert going_on.seed == 7
    trainer(tmp_path / "again").fit(going_on, datamodule=made.task)


class CallsHooks(Callback):
    """Call hooks of the module, as a callback of a reader may."""

    def __init__(self):
        self.calls = 0

    def on_after_backward(self, trainer, pl_module):
        pl_module.on_after_backward()
        pl_module.on_before_zero_grad(trainer.optimizers[0])
        self.calls += 1


def test_a_callback_may_call_hooks_of_the_module_in_a_run(plan):
    calling = CallsHooks()
    status = train_run(plan(callbacks=[calling]))
    assert status.state == "done", status.reason
    assert calling.calls == 6


def test_what_a_callback_logs_is_in_the_curves_of_a_run(plan):
    class Logs(Callback):
        def on_validation_epoch_end(self, trainer, pl_module):
            pl_module.log("my/steps", float(trainer.global_step))

    made = plan(callbacks=[Logs()])
    assert train_run(made).state == "done"
    rows = read_metrics(made.folder.metrics)
    assert {step: row["my/steps"] for step, row in rows.items() if "my/steps" in row} == {2: 2.0, 4: 4.0, 6: 6.0}
    assert not any("epoch" in row for row in rows.values())


def test_callback_metrics_of_a_run_hold_1e_300(plan):
    seen = []

    class Seen(Callback):
        def on_validation_end(self, trainer, pl_module):
            seen.append(trainer.callback_metrics["early_gradient"].item())

    made = plan(callbacks=[Seen()])
    made.probe.measure = lambda module, batch: {"early_gradient": 1e-300}
    assert train_run(made).state == "done"
    assert seen == [1e-300] * 3
