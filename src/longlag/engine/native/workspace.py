"""Memory that is used again: at long lags most of the time would go into pages that the system has to clear."""

import ctypes
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

_KEPT = 8  # arrays that wait to be used again: two of a large layer
_LARGE = 2**24  # bytes: beyond, the system's allocator may ask for new pages each time
_free: list[Tensor] = []


class Loan:
    """An array of numbers, of no particular values, that goes back when nobody holds the loan any more.

    Args:
        count: of numbers.
        dtype: of them.

    """

    def __init__(self, count: int, dtype: torch.dtype) -> None:
        found = _taken(count, dtype)
        self.tensor = torch.empty(count, dtype=dtype, device="cpu") if found is None else found

    def __del__(self) -> None:
        """Give it back, and forget the one that has waited longest if there are too many."""
        if hasattr(self, "tensor"):  # there was memory for it
            _free.append(self.tensor)
            del _free[:-_KEPT]


def empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return a tensor of no particular values; a large one is lent its memory for as long as anybody holds it.

    Args:
        shape: of it.
        dtype: of its numbers.

    """
    count = math.prod(shape)
    if count * dtype.itemsize <= _LARGE:
        return torch.empty(shape, dtype=dtype, device="cpu")
    loan = Loan(count, dtype)
    buffer: Any = (ctypes.c_char * (count * dtype.itemsize)).from_address(loan.tensor.data_ptr())
    buffer.loan = loan  # the storage of the tensor holds the buffer
    return torch.frombuffer(buffer, dtype=dtype, count=count).view(shape)


def _taken(count: int, dtype: torch.dtype) -> Tensor | None:
    """Take an array that fits, the latest first, if there is one.

    One by one, out of the list: another thread, or a loan that ends meanwhile, may change it at any moment.
    """
    others, found = [], None
    while _free and found is None:
        try:
            tensor = _free.pop()
        except IndexError:  # another thread was faster
            break
        if tensor.dtype is dtype and count <= len(tensor) <= 2 * count:
            found = tensor
        else:
            others.append(tensor)
    _free.extend(reversed(others))
    return found
