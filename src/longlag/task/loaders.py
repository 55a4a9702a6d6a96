"""The iterables over batches that Lightning takes as loaders."""

from collections.abc import Callable, Iterator
from typing import Any

from longlag.task.batch import Batch


class BatchStream:
    """Batches ``first()``, ``first() + 1``, … without end, each made by ``draw(k)``.

    Lightning takes it as a loader that can resume. The place in the stream is the trainer's count of batches, which
    ``first`` returns at the start of an iteration, so the loader has no state to restore.
    """

    def __init__(self, draw: Callable[[int], Batch], first: Callable[[], int]) -> None:
        self.draw = draw
        self.first = first

    def __iter__(self) -> Iterator[Batch]:
        k = self.first()
        while True:
            yield self.draw(k)
            k += 1

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: see the class."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore nothing: see the class."""


class Chunks:
    """A fixed set of sequences, ``size`` at a time; each chunk is drawn on demand, so the set may exceed the memory.

    Args:
        draw: makes chunk ``k`` of ``n`` sequences.
        total: the number of sequences.
        size: the most sequences in a chunk.
        share: this rank's sequences in a chunk.

    """

    def __init__(self, draw: Callable[[int, int], Batch], total: int, size: int, share: slice = slice(None)) -> None:
        self.draw = draw
        self.total = total
        self.size = size
        self.share = share

    def __len__(self) -> int:
        return -(-self.total // self.size)

    def __iter__(self) -> Iterator[Batch]:
        for k in range(len(self)):
            yield self.draw(k, min(self.size, self.total - k * self.size)).select(self.share)
