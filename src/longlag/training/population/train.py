"""Training of a population."""

from collections.abc import Callable, Iterator

from longlag.runs import Status
from longlag.training.callbacks.stopping import StopRequest
from longlag.training.run import train_parts
from longlag.training.run_parts import RunParts


def train_population(
    arriving: Iterator[RunParts], at_once: int, request: StopRequest, ended: Callable[[RunParts, Status], None]
) -> None:
    """Train the runs that arrive, and report how each has ended."""
    for parts in arriving:
        ended(parts, train_parts(parts, request))
