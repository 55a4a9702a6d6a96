"""What a task is: the contract that every file in ``tasks/`` fills in, and the batch it yields."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from lightning import LightningDataModule
from torch import Tensor
from torchmetrics import MetricCollection

Split = Literal["train", "val", "test", "probe"]

_SPLITS: tuple[Split, ...] = ("train", "val", "test", "probe")
_STREAM_BITS = 30  # 2^30 batches for each of the four splits fill the 32 bits that seed a torch.Generator


class Batch(NamedTuple):
    """B sequences of up to L steps."""

    inputs: Tensor
    """[B, L, I], padded at the end with zeros."""
    targets: Tensor
    """What the outputs should be, in the form that the task's loss expects: [B, …] or [B, L, …]."""
    lengths: Tensor
    """The number of valid steps of each sequence, [B], int64."""
    mask: Tensor
    """Where a target counts, [B, L], bool."""

    def select(self, index: Tensor | slice) -> "Batch":
        """Return the sequences at ``index``."""
        return Batch(*(field[index] for field in self))


@dataclass(frozen=True)
class Splits:
    """How the sequences of the training, validation and test split are drawn.

    Args:
        seed: decides every sequence of every split.
        batch_size: training sequences in an optimizer step, over all devices together.
        train_size: the size of the fixed training set; ``None`` for an endless stream of fresh sequences.
        val_size: the number of validation sequences.
        test_size: the number of test sequences.

    Raises:
        ValueError: a size is not a positive integer, or a batch is larger than the training set.

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
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise ValueError(f"seed must be an integer, got {self.seed!r}")
        if self.train_size is not None and self.train_size % self.batch_size:
            raise ValueError(
                f"train_size must be a multiple of batch_size, got {self.train_size} and {self.batch_size}"
                " (train_size=null is an endless stream)"
            )


def stream(seed: int, split: Split, k: int) -> torch.Generator:
    """Return the generator of batch ``k`` of a split: a pure function of its arguments.

    A ``torch.Generator`` on the CPU keeps 32 bits of its seed. Two of them name the split and 30 count the batches
    from an offset that the seed decides, so no two batches of one seed ever share a generator; a bijective mixing of
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


class Task(LightningDataModule, ABC):
    """A long-time-lag task: how to draw a batch, the loss, the metrics, and when a run counts as solved.

    A subclass sets ``input_size``, ``output_size`` and ``chance_accuracy``, says in its docstring what ``T`` means, and
    implements :meth:`sample`, :meth:`loss` and :meth:`metrics`. Everything that Lightning's Trainer needs is here.

    Args:
        T: the axis of the lag.
        splits: how the sequences are drawn.

    """

    input_size: ClassVar[int]
    """I, the number of input channels."""
    output_size: ClassVar[int]
    """O, the number of outputs."""
    readout: ClassVar[Literal["last", "every"]] = "last"
    """Whether the outputs are read at the last valid step or at every step."""
    chance_accuracy: ClassVar[float]
    """The accuracy of the best constant output."""
    solved_accuracy: ClassVar[float] = 0.99
    """The validation accuracy from which :meth:`solved` says yes."""

    def __init__(self, T: int, splits: Splits | None = None) -> None:
        super().__init__()
        self.T = T
        self.splits = Splits() if splits is None else splits
        self._drawn: dict[Split, Batch] = {}

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences; every draw is from ``generator``."""

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the scalar that training lowers: a mean over the batch. ``outputs`` as the model gives them."""

    @abstractmethod
    def metrics(self) -> MetricCollection:
        """Return fresh metrics; ``acc`` is among them."""

    def measure(self, metrics: MetricCollection, outputs: Tensor, batch: Batch) -> None:
        """Take a batch into the metrics; a task with padded targets overrides this and leaves out what is masked."""
        metrics.update(outputs, batch.targets)

    def solved(self, values: Mapping[str, float]) -> bool:
        """Say whether these validation metrics count as solved."""
        return values["acc"] >= self.solved_accuracy

    def fixed(self, split: Split, n: int) -> Batch:
        """Return the fixed ``n`` sequences of a split."""
        if split not in self._drawn:
            self._drawn[split] = self.sample(n, stream(self.splits.seed, split, 0))
        return self._drawn[split]

    def train_batch(self, k: int) -> Batch:
        """Return training batch ``k``, whatever came before it.

        Of a fixed set, each pass takes the sequences in an order of its own, which the pass number decides; a batch of
        the whole set keeps the order in which it was drawn.
        """
        splits = self.splits
        if splits.train_size is None:
            return self.sample(splits.batch_size, stream(splits.seed, "train", k))
        drawn = self.fixed("train", splits.train_size)
        batches = splits.train_size // splits.batch_size
        if batches == 1:
            return drawn
        order = torch.randperm(splits.train_size, generator=stream(splits.seed, "train", 1 + k // batches))
        start = (k % batches) * splits.batch_size
        return drawn.select(order[start : start + splits.batch_size])

    def train_dataloader(self) -> "BatchStream":
        """Return the endless training batches, from the first that the trainer has not seen, this rank's share each."""
        rank, world = self._place()
        if self.splits.batch_size % world:
            raise ValueError(f"batch_size must be a multiple of the {world} devices, got {self.splits.batch_size}")
        return BatchStream(lambda k: self.train_batch(k).select(slice(rank, None, world)), first=self._batches_seen)

    def val_dataloader(self) -> "Chunks":
        """Return the validation sequences, this rank's share."""
        return self._chunks("val", self.splits.val_size)

    def test_dataloader(self) -> "Chunks":
        """Return the test sequences, this rank's share."""
        return self._chunks("test", self.splits.test_size)

    def _chunks(self, split: Split, n: int) -> "Chunks":
        rank, world = self._place()
        return Chunks(self.fixed(split, n).select(slice(rank, None, world)), self.splits.batch_size)

    def _batches_seen(self) -> int:
        return 0 if self.trainer is None else self.trainer.fit_loop.total_batch_idx + 1

    def _place(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)


class BatchStream:
    """Batches ``first()``, ``first() + 1``, … without end, each made by ``draw(k)``.

    Lightning takes it as a loader that can be resumed: the place in the stream is the count of batches that the
    trainer itself keeps, asked for whenever an iteration begins, so there is no state of its own to restore.
    """

    def __init__(self, draw: Callable[[int], Batch], first: Callable[[], int]) -> None:
        self.draw = draw
        self.first = first

    def __iter__(self) -> Iterator[Batch]:
        k = self.first()
        while True:
            yield self.draw(k)
            k += 1

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: see the class."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore nothing: see the class."""


class Chunks:
    """The sequences of a batch, ``size`` at a time."""

    def __init__(self, batch: Batch, size: int) -> None:
        self.batch = batch
        self.size = size

    def __len__(self) -> int:
        return -(-len(self.batch.inputs) // self.size)

    def __iter__(self) -> Iterator[Batch]:
        for k in range(len(self)):
            yield self.batch.select(slice(k * self.size, (k + 1) * self.size))
