"""Functions for drawing sequences; every random number comes from the generator in the arguments."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@contextlib.contextmanager
def plain_defaults() -> Iterator[None]:
    """Draw on the CPU and in float32, whatever type of number and device PyTorch takes by default in this process."""
    dtype = torch.get_default_dtype()
    elsewhere = torch.get_default_device().type != "cpu"
    with torch.device("cpu") if elsewhere else contextlib.nullcontext():  # the device costs time at every operation
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)


#: Whether the upper end of a range in a paper, such as lengths "between T and T + T/10", can be drawn.
RANGE_ENDS = ("included", "excluded")


def highest(low: int, high: int, range_end: str) -> int:
    """Return the highest integer of the range from ``low`` to ``high``; one of :data:`RANGE_ENDS` says how to read it.

    A range whose ends are the same has one integer.
    """
    return high if range_end == "included" else max(low, high - 1)


def integers(low: int, high: int, n: int, generator: torch.Generator) -> Tensor:
    """Return ``n`` uniform integers from ``low`` to ``high``, both included, [n]."""
    return torch.randint(low, high + 1, (n,), generator=generator)


def valid_steps(lengths: Tensor, L: int) -> Tensor:
    """Return the steps before the end of each sequence, [B, L], bool."""
    return torch.arange(L, device=lengths.device) < lengths[:, None]


def one_hot(symbols: Tensor, size: int, lengths: Tensor | None = None) -> Tensor:
    """Return symbols [B, L] as one-hot vectors [B, L, size], zeros from the end of each sequence on."""
    vectors = torch.zeros(*symbols.shape, size, device=symbols.device)
    vectors.scatter_(-1, symbols[..., None], 1.0)
    if lengths is not None:
        vectors *= valid_steps(lengths, symbols.shape[1])[..., None]
    return vectors


def joined(steps: Tensor, lengths: Tensor, group: int) -> tuple[Tensor, Tensor]:
    """Join every ``group`` consecutive sequences into one.

    Args:
        steps: sequences [n · group, L, …], of which the first ``lengths`` steps are valid.
        lengths: [n · group].
        group: the number of sequences to join into one.

    Returns:
        The joined sequences [n, L', …], padded with zeros, and their lengths [n].

    """
    flat = steps[valid_steps(lengths, steps.shape[1])]  # every valid step, in order
    totals = lengths.view(-1, group).sum(1)
    return pad_sequence(list(torch.split(flat, totals.tolist())), batch_first=True), totals


def distinct(n: int, of: int, count: int, generator: torch.Generator) -> Tensor:
    """Return, for each of ``n`` rows, ``count`` different integers below ``of`` in random order, [n, count]."""
    return torch.rand(n, of, generator=generator).topk(count, dim=1).indices
