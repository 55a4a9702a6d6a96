"""Time calls on a GPU by its own clock: CUDA events, around one call after the other."""

import statistics
import time
from collections.abc import Callable, Iterator

import torch

WARM_UP = 3  # calls: the first ones compile and allocate
MOST = 100  # timed calls


class Watch:
    """Measures time on a device; on the CPU, where the scripts are tried, by the clock of the process.

    Args:
        device: ``cuda`` or ``cpu``.

    """

    def __init__(self, device: str) -> None:
        self._gpu = device == "cuda"

    def wait(self) -> None:
        """Wait until the device has done what it was given."""
        if self._gpu:
            torch.cuda.synchronize()

    def microseconds(self, call: Callable[[int], object], seconds: float) -> float:
        """Return the median time of a call.

        Args:
            call: is given the number of the call.
            seconds: about how long the calls that are timed take together, at most; one is timed whatever it takes.

        """
        for number in range(WARM_UP):
            call(number)
        self.wait()
        return statistics.median(self._times(call, time.monotonic() + seconds))

    def _times(self, call: Callable[[int], object], until: float) -> Iterator[float]:
        for number in range(MOST):
            if self._gpu:
                start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
                start.record()
                call(number)
                end.record()
                end.synchronize()
                yield 1e3 * start.elapsed_time(end)
            else:
                began = time.perf_counter()
                call(number)
                yield 1e6 * (time.perf_counter() - began)
            if time.monotonic() > until:
                return
