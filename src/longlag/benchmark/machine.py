"""What was measured on: without it the figures say nothing."""

import os
import platform
from pathlib import Path

import torch

from longlag.engine.native import NoLibraryError, level


def machine(threads: int, device: str) -> dict[str, str | int | None]:
    """Return the facts of this machine that decide the figures.

    Args:
        threads: how many a contender may use.
        device: ``cpu`` or ``cuda``.

    """
    try:
        native = level()
    except NoLibraryError:
        native = None
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "threads": threads,
        "native": native,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
    }


def said(facts: dict[str, str | int | None]) -> str:
    """Return the facts in a line."""
    gpu = f", {facts['gpu']}" if facts["gpu"] else ""
    count = f"{facts['threads']} thread{'s' if facts['threads'] != 1 else ''}"
    native = "no native engine" if facts["native"] is None else f"native engine with {facts['native']}"
    return f"{facts['cpu']}, {facts['cores']} cores{gpu}; {count}; torch {facts['torch']}; {native}"


def load() -> float | None:
    """Return how many processes wanted to run in the last minute, ours too; ``None`` where that is not known."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def _processor() -> str:
    """Return the name of the processor, and where Linux tells them its family and model."""
    known: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            known.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    name = known.get("model name") or platform.processor() or platform.machine()
    numbers = [f"{part} {known[key]}" for part, key in (("family", "cpu family"), ("model", "model")) if key in known]
    return f"{name} ({', '.join(numbers)})" if numbers else name
