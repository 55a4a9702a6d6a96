import pytest
import torch

from longlag.task import Splits, stream

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
