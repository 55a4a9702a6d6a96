"""Reuse memory from call to call: at long lags most of the time would go into pages that the system has to clear."""

import ctypes
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_KEPT = 8  # arrays that wait for their next use; a large layer takes two
_LARGE = 2**24  # bytes: for more, the system's allocator may take new pages each time
_free: list[Tensor] = []


class Loan:
    """An array of uninitialised numbers, whose memory is free for the next loan once this object is gone.

    Args:
        count: how many numbers.
        dtype: their type.

    """

    def __init__(self, count: int, dtype: torch.dtype) -> None:
        kept = _take_kept(count, dtype)
        self.tensor = torch.empty(count, dtype=dtype, device="cpu") if kept is None else kept

    def __del__(self) -> None:
        """Keep the memory for the next loan; of too many arrays, drop the one that has waited longest."""
        if hasattr(self, "tensor"):  # it has none if there was no memory
            _free.append(self.tensor)
            del _free[:-_KEPT]


def empty(shape: Sequence[int], dtype: torch.dtype, large: int | None = None) -> Tensor:
    """Return an uninitialised tensor; a large one has the memory of a :class:`Loan` that lives as long as the tensor.

    Args:
        shape: its shape.
        dtype: the type of its numbers.
        large: the bytes from which on it is large; a number at which the system gives new pages each time, by default.

    """
    count = math.prod(shape)
    if count * dtype.itemsize <= (_LARGE if large is None else large):
        return torch.empty(shape, dtype=dtype, device="cpu")
    loan = Loan(count, dtype)
    buffer: Any = (ctypes.c_char * (count * dtype.itemsize)).from_address(loan.tensor.data_ptr())
    buffer.loan = loan  # the storage of the tensor holds the buffer
    return torch.frombuffer(buffer, dtype=dtype, count=count).view(shape)


def _take_kept(count: int, dtype: torch.dtype) -> Tensor | None:
    """Take a kept array that fits, the latest first, if there is one.

    This pops them one by one, since another thread, or a loan that ends, may change the list at any moment.
    """
    others, fitting = [], None
    while _free and fitting is None:
        try:
            tensor = _free.pop()
        except IndexError:  # another thread was faster
            break
        if tensor.dtype is dtype and count <= len(tensor) <= 2 * count:
            fitting = tensor
        else:
            others.append(tensor)
    _free.extend(reversed(others))
    return fitting
