"""The sizes of the splits, and the generator of every batch of a split."""

from dataclasses import dataclass
from typing import Literal

import torch

Split = Literal["train", "val", "test", "probe"]

_SPLITS: tuple[Split, ...] = ("train", "val", "test", "probe")
_STREAM_BITS = 30  # 2^30 batches for each of the four splits fill the 32 bits that seed a torch.Generator


@dataclass(frozen=True)
class Splits:
    """The sizes of the training, validation and test split, and the seed of their sequences.

    Args:
        seed: decides every sequence of every split.
        batch_size: training sequences in an optimizer step, over all devices together.
        train_size: the size of the fixed training set; ``None`` for an endless stream of fresh sequences.
        val_size: the number of validation sequences.
        test_size: the number of test sequences.

    Raises:
        ValueError: a size is not a positive integer of at most 2^30, or a batch is larger than the training set.

    """

    seed: int = 0
    batch_size: int = 256
    train_size: int | None = 256
    val_size: int = 256
    test_size: int = 1024

    def __post_init__(self) -> None:
        for name in ("batch_size", "train_size", "val_size", "test_size"):
            size = getattr(self, name)
            endless = name == "train_size" and size is None
            if not endless and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
                raise ValueError(f"{name} must be a positive integer, got {size!r}")
            if not endless and size > 1 << _STREAM_BITS:
                raise ValueError(f"{name} must be at most 2^{_STREAM_BITS}: then the sequences repeat, got {size!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ValueError(f"seed must be an integer, got {self.seed!r}")
        if self.train_size is not None and self.train_size % self.batch_size:
            raise ValueError(
                f"train_size must be a multiple of batch_size, got {self.train_size} and {self.batch_size}"
                " (train_size=null is an endless stream)"
            )


def stream(seed: int, split: Split, k: int) -> torch.Generator:
    """Return the generator of batch ``k`` of a split: a pure function of its arguments.

    A ``torch.Generator`` on the CPU keeps 32 bits of its seed. Two of them encode the split, and 30 count the batches
    from an offset that depends on the seed, so no two batches of one seed ever share a generator; a bijective mixing of
    the 32 bits (the finalizer of MurmurHash3) keeps neighbouring batches apart.

    Args:
        seed: any integer.
        split: which split.
        k: the number of the batch, from 0.

    """
    offset = _mix(seed & 0xFFFFFFFF)
    low = (offset + k) % (1 << _STREAM_BITS)
    return torch.Generator().manual_seed(_mix(_SPLITS.index(split) << _STREAM_BITS | low))


def _mix(x: int) -> int:
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = ((x ^ (x >> shift)) * factor) & 0xFFFFFFFF
    return x ^ (x >> 16)
