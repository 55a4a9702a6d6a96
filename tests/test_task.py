import itertools

import pytest
import torch

from longlag.task import Batch, BatchStream, Chunks, Splits, stream
from tasks.delayed_xor import DelayedXOR

SPLITS = ("train", "val", "test", "probe")


def test_a_stream_is_a_pure_function_of_seed_split_and_number():
    again = [torch.rand(3, generator=stream(5, "train", 7)).tolist() for _ in range(2)]
    assert again[0] == again[1]


def test_no_two_batches_of_a_seed_share_a_generator():
    seeds = [stream(3, split, k).initial_seed() for split in SPLITS for k in range(5000)]
    assert len(set(seeds)) == len(seeds)
    assert max(seeds) < 2**32  # what a torch.Generator keeps of its seed


def test_the_mixing_is_a_bijection_where_it_is_easy_to_see():
    """Neighbouring numbers at the edges of the 30-bit counter still give different generators."""
    edge = 2**30
    seeds = [stream(0, split, k).initial_seed() for split in SPLITS for k in (*range(50), *range(edge - 50, edge))]
    assert len(set(seeds)) == len(seeds)


def test_the_splits_and_the_seeds_give_different_sequences():
    drawn = [
        DelayedXOR(6, Splits(seed=seed, val_size=4, test_size=4, train_size=4, batch_size=4)).fixed(split, 4).inputs
        for seed in (0, 1)
        for split in SPLITS
    ]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(drawn, 2))


def test_a_whole_fixed_set_keeps_the_order_in_which_it_was_drawn():
    task = DelayedXOR(6, Splits(train_size=8, batch_size=8))
    assert task.train_batch(0) is task.train_batch(5)
    assert torch.equal(task.train_batch(0).inputs, task.sample(8, stream(0, "train", 0)).inputs)


def test_every_pass_over_a_fixed_set_sees_each_sequence_once_in_an_order_of_its_own():
    task = DelayedXOR(6, Splits(train_size=12, batch_size=4))
    passes = [torch.cat([task.train_batch(3 * p + b).inputs for b in range(3)]) for p in range(2)]
    everything = sorted(task.fixed("train", 12).inputs.flatten(1).tolist())
    assert sorted(passes[0].flatten(1).tolist()) == everything
    assert sorted(passes[1].flatten(1).tolist()) == everything
    assert not torch.equal(passes[0], passes[1])


@pytest.mark.parametrize("train_size", [12, None])
def test_a_training_batch_does_not_depend_on_those_before_it(train_size):
    splits = Splits(train_size=train_size, batch_size=4)
    one, other = DelayedXOR(6, splits), DelayedXOR(6, splits)
    for k in range(7):
        one.train_batch(k)
    assert torch.equal(one.train_batch(7).inputs, other.train_batch(7).inputs)


def test_an_endless_stream_never_repeats_itself():
    task = DelayedXOR(6, Splits(train_size=None, batch_size=4))
    batches = [task.train_batch(k).inputs for k in range(20)]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(batches, 2))


def test_a_stream_of_batches_starts_where_it_is_told():
    batch = DelayedXOR(6).sample(1, stream(0, "train", 0))
    seen = []
    numbers = iter(BatchStream(lambda k: seen.append(k) or batch, first=lambda: 3))
    next(numbers), next(numbers)
    assert seen == [3, 4]


def test_chunks_cover_a_batch_once():
    batch = DelayedXOR(6).sample(10, stream(0, "val", 0))
    chunks = list(Chunks(batch, 4))
    assert [len(chunk.inputs) for chunk in chunks] == [4, 4, 2]
    assert len(Chunks(batch, 4)) == 3
    assert torch.equal(torch.cat([chunk.targets for chunk in chunks]), batch.targets)


def test_the_ranks_together_have_every_sequence():
    batch = DelayedXOR(6).sample(7, stream(0, "val", 0))
    shares = [batch.select(slice(rank, None, 2)) for rank in range(2)]
    assert all(isinstance(share, Batch) for share in shares)
    assert sorted(torch.cat([s.inputs for s in shares]).flatten(1).tolist()) == sorted(batch.inputs.flatten(1).tolist())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a positive integer, got 0"),
        ({"val_size": 1.5}, "val_size must be a positive integer, got 1.5"),
        ({"test_size": None}, "test_size must be a positive integer, got None"),
        ({"seed": "a"}, "seed must be an integer, got 'a'"),
        ({"train_size": 100, "batch_size": 64}, "train_size must be a multiple of batch_size, got 100 and 64"),
    ],
)
def test_wrong_splits_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Splits(**arguments)
