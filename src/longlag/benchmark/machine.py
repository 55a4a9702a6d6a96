"""The machine on which the figures were measured."""

import os
import platform

import torch

from longlag.engine import Native
from longlag.runs.provenance import processor


def machine(threads: int, device: str) -> dict[str, str | int | None]:
    """Return the facts of this machine on which the figures depend.

    Args:
        threads: how many threads a contender may use.
        device: ``cpu`` or ``cuda``.

    """
    return {
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "threads": threads,
        "native": Native().level,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def machine_line(facts: dict[str, str | int | None]) -> str:
    """Return the facts as a line."""
    gpu = f", {facts['gpu']}" if facts["gpu"] else ""
    count = f"{facts['threads']} thread{'s' if facts['threads'] != 1 else ''}"
    native = "no native engine" if facts["native"] is None else f"native engine with {facts['native']}"
    return f"{facts['cpu']}, {facts['cores']} cores{gpu}; {count}; torch {facts['torch']}; {native}"


def load() -> float | None:
    """Return how many processes, this one included, wanted to run in the last minute; ``None`` where nobody knows."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
