"""Memory that is used again: at long lags most of the time would go into pages that the system has to clear."""

import torch
from torch import Tensor

_KEPT = 4  # arrays that wait to be used again
_free: list[Tensor] = []


class Loan:
    """An array of numbers, of no particular values, that goes back when nobody holds the loan any more.

    Args:
        count: of numbers.
        dtype: of them.

    """

    def __init__(self, count: int, dtype: torch.dtype) -> None:
        fitting = [k for k, tensor in enumerate(_free) if tensor.dtype is dtype and count <= len(tensor) <= 2 * count]
        self.tensor = _free.pop(fitting[-1]) if fitting else torch.empty(count, dtype=dtype)

    def __del__(self) -> None:
        """Give it back, and forget the one that has waited longest if there are too many."""
        _free.append(self.tensor)
        del _free[:-_KEPT]
