"""Check the memory that a size takes: the system kills a process that takes too much, and its results are lost."""

from pathlib import Path

import torch

from longlag.benchmark.workload import Size

_KEPT = 10  # about so many numbers a gated cell keeps of a sequence, step and unit for its way back


def lacking(size: Size, runs: int, device: str, wide: bool = False) -> str | None:
    """Return a line if there is too little memory for a call; ``None`` if there is enough, or nobody knows.

    Args:
        size: the size.
        runs: how many runs a call takes.
        device: ``cpu`` or ``cuda``.
        wide: whether the call is in float64.

    """
    wanted = runs * size.B * size.T * (_KEPT * size.H + 3 * size.I) * (8 if wide else 4)
    available = free(device)
    if available is None or wanted <= available:
        return None
    return f"{size} wants about {wanted / 1e9:.0f} GB of memory, and {available / 1e9:.0f} GB are free"


def free(device: str) -> int | None:
    """Return how many bytes are free; ``None`` if the system does not tell."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    except (OSError, ValueError):
        pass
    return None
