"""The training sequences of a run that takes one a step: many of them at once, or one by one."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from longlag.task.batch import Batch


class SingleSequences:
    """Training sequences by their number, from an endless stream that is drawn a block at a time: a draw has its price.

    Args:
        draw: draws a block: sequences ``k · size`` to ``(k + 1) · size − 1``.
        size: the sequences of a block.

    """

    def __init__(self, draw: Callable[[int], Batch], size: int) -> None:
        self._draw = draw
        self._size = size
        self._latest: tuple[int, Batch] | None = None  # the number of the block drawn last, and its sequences

    def take(self, first: int, count: int) -> Batch:
        """Return sequences ``first`` to ``first + count − 1``; no copies, if one block has them all."""
        parts, k = [], first
        while k < first + count:
            number, row = divmod(k, self._size)
            taken = min(self._size - row, first + count - k)
            parts.append(self._block(number).select(slice(row, row + taken)))
            k += taken
        return parts[0] if len(parts) == 1 else _joined(parts)

    def _block(self, number: int) -> Batch:
        if self._latest is None or self._latest[0] != number:
            self._latest = number, self._draw(number)
        return self._latest[1]


class Passes:
    """The order in which a fixed training set is gone through: another one in each pass.

    Args:
        order: returns the order of pass ``k``, [size].
        size: the sequences of the set.

    """

    def __init__(self, order: Callable[[int], Tensor], size: int) -> None:
        self._order = order
        self._size = size
        self._latest: tuple[int, Tensor] | None = None  # the number of the pass that was asked for last, and its order

    def places(self, first: int, count: int) -> Tensor:
        """Return the places in the set of training sequences ``first`` to ``first + count − 1``, [count]."""
        passes = range(first // self._size, (first + count - 1) // self._size + 1)
        start = first % self._size
        return torch.cat([self._of(number) for number in passes])[start : start + count]

    def _of(self, number: int) -> Tensor:
        if self._latest is None or self._latest[0] != number:
            self._latest = number, self._order(number)
        return self._latest[1]


def _joined(parts: Sequence[Batch]) -> Batch:
    """Join sequences that may be padded to different lengths."""
    return Batch(*(_stacked(fields) for fields in zip(*parts, strict=True)))


def _stacked(fields: Sequence[Tensor]) -> Tensor:
    """Join tensors [B, …], or [B, L, …] with zeros up to the largest L."""
    if fields[0].ndim == 1 or len({field.shape[1] for field in fields}) == 1:
        return torch.cat(list(fields))
    whole = fields[0].new_zeros(sum(map(len, fields)), max(field.shape[1] for field in fields), *fields[0].shape[2:])
    row = 0
    for field in fields:
        whole[row : row + len(field), : field.shape[1]] = field
        row += len(field)
    return whole
