"""What is left out of Lightning is what nobody asked for."""

import pytest
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.profilers import PassThroughProfiler, SimpleProfiler
from printed import runs

from longlag.training.lean import Checkpoints, NoProfiler, unprofiled

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
    made = unprofiled(trainer())
    assert type(made.profiler) is NoProfiler
    with made.profiler.profile("one") as outer, made.profiler.profile("within it") as inner:
        assert (outer, inner) == ("one", "within it")


def test_a_profiler_that_is_asked_for_stays_and_measures(longlag, tiny):
    assert type(unprofiled(trainer(profiler="simple")).profiler) is SimpleProfiler
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
