"""Training batches of one sequence, one by one and many at once; what the losses of the tasks are."""

import pytest
import torch

from longlag.settings.build import build_task
from longlag.settings.compose import settings_of
from longlag.task import Splits
from longlag.tasks import Adding, DelayedXOR, EmbeddedReber, TwoSequence


def same(one, other):
    """Whether sequences are the same, however far they are padded."""
    L = int(one.lengths.max())
    assert torch.equal(one.lengths, other.lengths)
    assert torch.equal(one.inputs[:, :L], other.inputs[:, :L])
    every = one.targets.ndim > 1 and one.targets.shape[1] == one.inputs.shape[1]
    assert torch.equal(*((each.targets[:, :L] if every else each.targets) for each in (one, other)))
    assert torch.equal(one.mask[:, :L], other.mask[:, :L])
    return True


@pytest.mark.parametrize(
    "task",
    [
        Adding(30, splits=Splits(batch_size=1, train_size=None)),
        EmbeddedReber(12, splits=Splits(batch_size=1, train_size=None)),
        DelayedXOR(8, splits=Splits(batch_size=1, train_size=100)),
        DelayedXOR(8, splits=Splits(batch_size=1, train_size=1)),
    ],
    ids=["ragged", "targets at steps", "passes", "one sequence"],
)
def test_many_sequences_are_those_that_come_one_by_one(task):
    many = task.train_sequences(200, 330)
    assert len(many.lengths) == 330
    for k in (0, 55, 56, 199, 311, 312, 329):
        assert same(task.train_batch(200 + k), many.select(slice(k, k + 1)))
    assert same(task.train_sequences(260, 9), many.select(slice(60, 69)))


def test_an_endless_stream_is_drawn_in_blocks_and_not_copied():
    task = Adding(30, splits=Splits(batch_size=1, train_size=None))
    block = task.draw("train", 1, 256)
    assert same(task.train_batch(300), block.select(slice(44, 45)))
    one, other = task.train_sequences(300, 5), task.train_sequences(300, 7)
    assert one.inputs.data_ptr() == other.inputs.data_ptr()


def test_a_block_of_very_long_sequences_is_small():
    assert Adding(10**6).block_size == 33


FORMS = {
    "adding": "logistic", "two_sequence": "logistic", "embedded_reber": "logistic", "delayed_xor": "softmax",
    "periodic_triangle": "linear", "adding_sum": None, "latch": None, "copy_memory": "softmax",
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_a_task_says_what_its_loss_is(name):
    task = build_task(settings_of([f"task={name}"]))
    assert task.loss_form == FORMS[name]
    task.loss = lambda outputs, batch: outputs.mean()
    assert task.loss_form is None


def test_the_targets_of_the_loss_are_some_of_all():
    task = TwoSequence(20, target_variance=0.1)
    batch = task.draw("train", 0, 8)
    assert task.loss_targets(batch).shape == (8, 1)
    outputs = torch.zeros(8, 1)
    assert task.loss(outputs, batch).item() == pytest.approx(((0.5 - batch.targets[:, 0]) ** 2).mean().item() / 2)
