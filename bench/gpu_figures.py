"""The figures of ``bench/gpu.py``: what is asked for, and what comes back from the process that measures."""

from typing import NamedTuple

import torch

POPULATION, SOLO, CUDNN, FLASH = "population", "triton, alone", "cuDNN, alone", "flashrnn"


class Asked(NamedTuple):
    """What is measured: sizes, and for about how long each figure is taken."""

    hidden: list[int]
    runs: list[int]
    B: int
    T: int
    seconds: float
    device: str


class Figure(NamedTuple):
    """A figure: microseconds of a run and training step, or why there is none."""

    H: int
    R: int
    way: str
    microseconds: float | None
    why: str = ""


def versions() -> str:
    """Return the versions on which the figures depend."""
    return f"torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
