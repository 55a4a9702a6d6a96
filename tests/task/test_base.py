import itertools

import pytest
import torch
from longlag.tasks.delayed_xor import DelayedXOR
from longlag.tasks.distractor_lag import DistractorLag
from longlag.tasks.embedded_reber import EmbeddedReber

from longlag.task import Batch, ClassificationTask, Splits, stream

SPLITS = ("train", "val", "test", "probe")


def test_the_splits_and_the_seeds_give_different_sequences():
    drawn = [DelayedXOR(6, splits=Splits(seed=seed)).draw(split, 0, 4).inputs for seed in (0, 1) for split in SPLITS]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(drawn, 2))


def test_a_whole_fixed_set_keeps_the_order_in_which_it_was_drawn():
    task = DelayedXOR(6, splits=Splits(train_size=8, batch_size=8))
    assert task.train_batch(0) is task.train_batch(5)
    assert torch.equal(task.train_batch(0).inputs, task.sample(8, stream(0, "train", 0)).inputs)


def test_every_pass_over_a_fixed_set_sees_each_sequence_once_in_an_order_of_its_own():
    task = DelayedXOR(6, splits=Splits(train_size=12, batch_size=4))
    passes = [torch.cat([task.train_batch(3 * p + b).inputs for b in range(3)]) for p in range(2)]
    everything = sorted(task.training_set().inputs.flatten(1).tolist())
    assert sorted(passes[0].flatten(1).tolist()) == everything
    assert sorted(passes[1].flatten(1).tolist()) == everything
    assert not torch.equal(passes[0], passes[1])


@pytest.mark.parametrize("train_size", [12, None])
def test_a_training_batch_does_not_depend_on_those_before_it(train_size):
    splits = Splits(train_size=train_size, batch_size=4)
    one, other = DelayedXOR(6, splits=splits), DelayedXOR(6, splits=splits)
    for k in range(7):
        one.train_batch(k)
    assert torch.equal(one.train_batch(7).inputs, other.train_batch(7).inputs)


def test_an_endless_stream_never_repeats_itself():
    task = DelayedXOR(6, splits=Splits(train_size=None, batch_size=4))
    batches = [task.train_batch(k).inputs for k in range(20)]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(batches, 2))


def test_validation_sequences_are_drawn_in_chunks_that_do_not_depend_on_the_batch_size():
    """300 sequences: 256 from generator 0 of the split, 44 from generator 1."""
    drawn = [
        list(DelayedXOR(6, splits=Splits(batch_size=size, train_size=size, val_size=300)).val_dataloader()[0])
        for size in (256, 100)
    ]
    assert [len(chunk.inputs) for chunk in drawn[0]] == [256, 44]
    for one, other in zip(*drawn, strict=True):
        assert torch.equal(one.inputs, other.inputs)
    assert torch.equal(drawn[0][1].inputs, DelayedXOR(6).sample(44, stream(0, "val", 1)).inputs)


def test_sequences_that_would_fill_the_memory_are_drawn_in_smaller_chunks():
    task = DistractorLag(2000, splits=Splits(val_size=100, train_size=None))
    (chunks,) = task.val_dataloader()
    assert chunks.size == 2**26 // (2000 * 2004)
    assert len(chunks) == 7  # of 16 sequences


def test_the_training_set_is_judged_only_where_a_task_asks_for_it():
    fixed, endless = Splits(train_size=300, batch_size=300), Splits(train_size=None)
    assert len(DelayedXOR(6, splits=fixed).val_dataloader()) == 1
    assert len(EmbeddedReber(9, splits=endless).val_dataloader()) == 1
    task = EmbeddedReber(9, splits=fixed)
    _, training = task.val_dataloader()
    chunks = list(training)
    assert [len(chunk.inputs) for chunk in chunks] == [256, 44]
    assert torch.equal(torch.cat([chunk.inputs for chunk in chunks]), task.training_set().inputs)


def test_steps_that_a_task_does_not_mark_as_cues_are_none():
    assert not Plain(3).cues(Plain(3).sample(2, stream(0, "train", 0))).any()


class Plain(ClassificationTask):
    """The least that a task can be."""

    input_size, output_size, chance_accuracy = 1, 2, 0.5

    def sample(self, n, generator):
        bits = torch.randint(2, (n,), generator=generator)
        inputs = torch.zeros(n, self.T, 1)
        inputs[:, 0, 0] = bits
        return Batch.answered_last(inputs, bits)
