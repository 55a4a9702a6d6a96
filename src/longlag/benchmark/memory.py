"""Whether there is memory for a size: a process that takes too much is killed, and all it has measured with it."""

from pathlib import Path

import torch

from longlag.benchmark.given import Size

_KEPT = 10  # numbers of a sequence, step and unit that a gated cell keeps for its way back, about


def lacking(size: Size, runs: int, device: str, wide: bool = False) -> str | None:
    """Return that there is too little memory for a call, ``None`` if there is enough or it is not known.

    Args:
        size: what is run.
        runs: how many runs a call takes.
        device: where.
        wide: whether it is in float64.

    """
    wanted = runs * size.B * size.T * (_KEPT * size.H + 3 * size.I) * (8 if wide else 4)
    there = free(device)
    if there is None or wanted <= there:
        return None
    return f"{size} wants about {wanted / 1e9:.0f} GB of memory, and {there / 1e9:.0f} GB are free"


def free(device: str) -> int | None:
    """Return how many bytes can still be had; ``None`` if that is not known."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None
