"""The contract of a task."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Literal

import torch
from lightning import LightningDataModule
from torch import Tensor

from longlag.task.batch import Batch
from longlag.task.drawing import one_hot
from longlag.task.loaders import BatchStream, Chunks
from longlag.task.splits import Split, Splits, stream

_CHUNK = 256  # sequences drawn at once for validation and test: not the batch size, so that both are the same for any
_CHUNK_FLOATS = 2**26  # unless the inputs of so many would take more than 256 MB


class Task(LightningDataModule, ABC):
    """A long-time-lag task: how to draw sequences, the loss, what is right, and when a run counts as solved.

    A subclass sets ``input_size``, ``output_size`` and ``chance_accuracy``, says in its docstring what ``T`` means, and
    implements :meth:`sample`, :meth:`loss` and :meth:`judge`. Most extend one of :class:`ClassificationTask`,
    :class:`RegressionTask` or :class:`LogisticTask`, which bring the last two. Everything that Lightning's Trainer
    needs is here.

    Args:
        T: the axis of the lag.
        splits: how the sequences are drawn.

    """

    input_size: int
    """I, the number of input channels."""
    output_size: int
    """O, the number of outputs."""
    readout: Literal["last", "every"] = "last"
    """Whether the outputs are read at the last valid step or at every step."""
    chance_accuracy: float
    """The validation accuracy of the constant output that has the best one."""
    chance_loss: float | None = None
    """The validation loss of the constant output that has the lowest one."""
    solved_accuracy: float = 0.99
    """The validation accuracy from which :meth:`solved` says yes, unless a task says otherwise."""
    recent: ClassVar[int] = 0
    """How many of the latest training sequences are judged, as they were met, for :meth:`solved`; 0 for none."""
    judges_training_set: ClassVar[bool] = False
    """Whether the fixed training set is judged at every validation too, for :meth:`solved`."""
    alphabet: tuple[str, ...] = ()
    """The names of the input channels, if exactly one of them is on at each step; none if the inputs are values."""
    channels: tuple[str, ...] = ()
    """The names of the input channels, if the inputs are values."""
    answers: tuple[str, ...] = ()
    """The names of the outputs, if each of them stands for a class or a symbol."""

    def __init__(self, T: int, splits: Splits | None = None) -> None:
        super().__init__()
        self.T = T
        self.splits = Splits() if splits is None else splits
        self._training_set: Batch | None = None

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences; every draw is from ``generator``."""

    def sample_evaluation(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences for validation or test: as for training, unless a task has longer ones there."""
        return self.sample(n, generator)

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the scalar that training lowers: a mean over the sequences. ``outputs`` as the model gives them."""

    @abstractmethod
    def judge(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return figures of each sequence, [B] each; what is recorded is their mean over the sequences.

        ``acc`` is among them: 1 for a sequence that is right, 0 for one that is wrong, between them where a sequence
        has several answers.
        """

    def solved(self, values: Mapping[str, float]) -> bool:
        """Say whether these figures, taken at a validation, count as solved.

        Args:
            values: the means of what :meth:`judge` returns, such as ``val/acc``; ``train/acc`` over the training set
                if ``judges_training_set``; ``recent/acc`` over the latest training sequences, as soon as there have
                been ``recent`` of them.

        """
        return values["val/acc"] >= self.solved_accuracy

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps that the targets depend on, [B, L], bool: for pictures; none unless a task says which."""
        return torch.zeros_like(batch.mask)

    def wanted(self, batch: Batch) -> Tensor:
        """Return what each output should be, [B, O] or [B, L, O]: 1 for the right class and 0 for all others."""
        if batch.targets.is_floating_point():
            return batch.targets
        return one_hot(batch.targets, self.output_size)

    def draw(self, split: Split, k: int, n: int) -> Batch:
        """Draw batch ``k`` of a split, ``n`` sequences: a pure function of the seed and these three."""
        sample = self.sample_evaluation if split in ("val", "test") else self.sample
        return sample(n, stream(self.splits.seed, split, k))

    def training_set(self) -> Batch:
        """Return the fixed training set."""
        assert self.splits.train_size is not None
        if self._training_set is None:
            self._training_set = self.draw("train", 0, self.splits.train_size)
        return self._training_set

    def train_batch(self, k: int) -> Batch:
        """Return training batch ``k``, whatever came before it.

        Of a fixed set, each pass takes the sequences in an order of its own, which the pass number decides; a batch of
        the whole set keeps the order in which it was drawn.
        """
        splits = self.splits
        if splits.train_size is None:
            return self.draw("train", k, splits.batch_size)
        drawn = self.training_set()
        batches = splits.train_size // splits.batch_size
        if batches == 1:
            return drawn
        order = torch.randperm(splits.train_size, generator=stream(splits.seed, "train", 1 + k // batches))
        start = (k % batches) * splits.batch_size
        return drawn.select(order[start : start + splits.batch_size])

    def train_dataloader(self) -> BatchStream:
        """Return the endless training batches, from the first that the trainer has not seen, this rank's share each."""
        share, world = self._share()
        if self.splits.batch_size % world:
            raise ValueError(f"batch_size must be a multiple of the {world} devices, got {self.splits.batch_size}")
        return BatchStream(lambda k: self.train_batch(k).select(share), first=self._batches_seen)

    def val_dataloader(self) -> list[Chunks]:
        """Return the validation sequences, this rank's share; then those of the training set, if it is judged too."""
        judged = [self._chunks("val", self.splits.val_size)]
        if self.judges_training_set and self.splits.train_size is not None:
            judged.append(Chunks(self._training_chunk, self.splits.train_size, _CHUNK, self._share()[0]))
        return judged

    def test_dataloader(self) -> Chunks:
        """Return the test sequences, this rank's share."""
        return self._chunks("test", self.splits.test_size)

    def _chunks(self, split: Split, n: int) -> Chunks:
        size = max(1, min(_CHUNK, _CHUNK_FLOATS // (self.T * self.input_size)))
        return Chunks(partial(self.draw, split), n, size, self._share()[0])

    def _training_chunk(self, k: int, n: int) -> Batch:
        return self.training_set().select(slice(k * _CHUNK, k * _CHUNK + n))

    def _batches_seen(self) -> int:
        return 0 if self.trainer is None else self.trainer.fit_loop.total_batch_idx + 1

    def _share(self) -> tuple[slice, int]:
        """Return which sequences of a batch are this rank's, and the number of ranks."""
        rank, world = (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        return slice(rank, None, world), world
