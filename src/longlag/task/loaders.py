"""What Lightning iterates over."""

from collections.abc import Callable, Iterator
from typing import Any

from longlag.task.batch import Batch


class BatchStream:
    """Batches ``first()``, ``first() + 1``, … without end, each made by ``draw(k)``.

    Lightning takes it as a loader that can be resumed: the place in the stream is the count of batches that the
    trainer itself keeps, asked for whenever an iteration begins, so there is no state of its own to restore.
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
    """A fixed set of sequences, ``size`` at a time, each chunk drawn when it is asked for: the set need not fit.

    Args:
        draw: makes chunk ``k`` of ``n`` sequences.
        total: the number of sequences.
        size: the most in a chunk.
        share: which of a chunk's sequences are this rank's.

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
