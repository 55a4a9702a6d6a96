"""These fail where a new Lightning moves what longlag reads of its insides."""

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning_utilities.core.rank_zero import rank_zero_only
from torch.utils.data import DataLoader

from longlag.task.lightning_internals import batches_begun, is_first_process, validation_interval


class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        return self.layer(batch).mean()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Progress(Callback):
    def __init__(self):
        self.before, self.after, self.intervals = [], [], set()

    def on_train_batch_start(self, trainer, *_):
        self.before.append(batches_begun(trainer))

    def on_train_batch_end(self, trainer, *_):
        self.after.append(batches_begun(trainer))
        self.intervals.add(validation_interval(trainer))


def test_the_batches_and_the_interval_are_those_of_the_trainer(tmp_path, recwarn):
    progress = Progress()
    trainer = Trainer(
        accelerator="cpu", devices=1, max_epochs=-1, max_steps=5, val_check_interval=2, check_val_every_n_epoch=None,
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        default_root_dir=tmp_path, callbacks=[progress],
    )  # fmt: skip
    data = DataLoader(torch.ones(3, 1))
    trainer.fit(Line(), data, data)
    assert progress.after == [1, 2, 3, 4, 5]
    assert progress.intervals == {2}
    assert progress.before == [1, 2, 3, 4, 5]  # Lightning counts a batch as soon as it begins


def test_a_process_is_the_first_until_lightning_numbers_it_otherwise(monkeypatch):
    assert is_first_process()
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    assert not is_first_process()
