"""What is left out of Lightning is what nobody asked for."""

import inspect

import pytest
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.profilers import PassThroughProfiler, SimpleProfiler
from printed import runs

from longlag.training.lean import Checkpoints, NoProfiler, lean, signed
from longlag.training.module import SequenceModule
from longlag.training.run import train_run

pytestmark = pytest.mark.filterwarnings("ignore:The `srun` command is available")  # on a machine with SLURM


def trainer(**chosen):
    return Trainer(
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **chosen,
    )


def test_the_profiler_that_measures_nothing_does_nothing_at_all():
    assert type(trainer().profiler) is PassThroughProfiler  # what Lightning has when nobody asks for one
    made = lean(trainer(), LightningModule())
    assert type(made.profiler) is NoProfiler
    with made.profiler.profile("one") as outer, made.profiler.profile("within it") as inner:
        assert (outer, inner) == ("one", "within it")


def test_a_profiler_that_is_asked_for_stays_and_measures(longlag, tiny):
    watched, module = Watching(), LightningModule()
    made = lean(trainer(profiler="simple", callbacks=[watched]), module)
    assert type(made.profiler) is SimpleProfiler
    assert callable(watched.on_before_zero_grad)
    assert callable(module.on_before_zero_grad)
    said = longlag("train", "+trainer.profiler=simple", *tiny)
    assert said.code == 0
    (run,) = runs()
    assert "|  run_training_batch " in (run.folder.path / "train.log").read_text()


def test_checkpoints_have_the_names_that_lightning_gives_them(tmp_path):
    chosen = {"dirpath": tmp_path, "monitor": "val/acc", "mode": "max"}
    ours, theirs = Checkpoints(**chosen), ModelCheckpoint(**chosen)
    assert ours.state_key == theirs.state_key
    assert ours.state_key is ours.state_key
    assert ours.state_key != Checkpoints(dirpath=tmp_path).state_key


class Watching(Callback):
    """Notes the steps that it is told of, by two of the hooks of a step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.seen.append(("start", batch_idx))

    def on_after_backward(self, trainer, pl_module):
        self.seen.append(("back", trainer.global_step))


class Stepping(LightningModule):
    """Has one of the hooks of a step."""

    def on_before_optimizer_step(self, optimizer):
        pass


def test_hooks_of_callbacks_are_called_where_they_do_something_and_taken_away_where_not(plan):
    watched, patched = Watching(), Watching()
    patched.on_before_zero_grad = lambda *_: patched.seen.append("zero")
    status = train_run(plan("trainer.max_steps=3", callbacks=[watched, patched]))
    assert status.state == "done", status.reason
    assert watched.seen == [(hook, k) for k in range(3) for hook in ("start", "back")]
    assert patched.seen.count("zero") == 3
    assert watched.on_before_zero_grad is None
    assert watched.on_train_batch_end is None


def test_hooks_of_the_module_likewise():
    module = Stepping()
    lean(trainer(), module)
    assert callable(module.on_before_optimizer_step)
    assert module.on_after_backward is None


def test_a_signature_that_is_kept_is_the_one_that_the_function_has():
    def step(self, batch, batch_idx):
        return batch_idx

    before = inspect.signature(step)
    assert signed(step) is step
    assert step.__signature__ == before
    assert inspect.getfullargspec(step).args == ["self", "batch", "batch_idx"]
    assert SequenceModule.training_step.__signature__.parameters.keys() == {"self", "batch", "batch_idx"}
