import torch
from longlag.tasks.delayed_xor import DelayedXOR

from longlag.task import Batch, stream
from longlag.task.loaders import BatchStream, Chunks


def test_a_stream_of_batches_starts_where_it_is_told():
    batch = DelayedXOR(6).sample(1, stream(0, "train", 0))
    seen = []
    numbers = iter(BatchStream(lambda k: seen.append(k) or batch, first=lambda: 3))
    next(numbers), next(numbers)
    assert seen == [3, 4]


def test_chunks_are_drawn_when_they_are_asked_for_and_cover_the_set():
    asked = []

    def draw(k, n):
        asked.append((k, n))
        return DelayedXOR(6).sample(n, stream(0, "val", k))

    chunks = Chunks(draw, total=10, size=4)
    assert len(chunks) == 3
    numbers = iter(chunks)
    next(numbers)
    assert asked == [(0, 4)]
    assert [len(chunk.inputs) for chunk in chunks] == [4, 4, 2]


def test_the_ranks_together_have_every_sequence():
    def chunks(share=slice(None)):
        return list(Chunks(lambda k, n: DelayedXOR(6).sample(n, stream(0, "val", k)), 7, 4, share))

    shares = [chunk for rank in range(2) for chunk in chunks(slice(rank, None, 2))]
    assert all(isinstance(share, Batch) for share in shares)
    everything = torch.cat([chunk.inputs for chunk in chunks()]).flatten(1).tolist()
    assert sorted(torch.cat([share.inputs for share in shares]).flatten(1).tolist()) == sorted(everything)
