"""The contract of a task."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any, ClassVar, Literal

import torch
from lightning import LightningDataModule
from torch import Tensor

from longlag.metric import Metric
from longlag.task.batch import Batch
from longlag.task.lightning_internals import batches_begun
from longlag.task.loaders import BatchStream, Chunks
from longlag.task.sampling import one_hot, plain_defaults
from longlag.task.single_sequences import Passes, SingleSequences
from longlag.task.splits import Split, Splits, stream

#: Half the squared error of linear or logistic output units, or the cross-entropy, each with a mean over the sequences.
LossForm = Literal["linear", "logistic", "softmax"]

_CHUNK = 256  # sequences in a draw for validation and test, which do not depend on the batch size, and in a block
_CHUNK_FLOATS = 2**26  # a draw has fewer sequences if their inputs would take more than 256 MB
_KEPT_FLOATS = 2**17  # inputs of a validation split that is kept: half a megabyte, of each run in a population


class Task(LightningDataModule, ABC):
    """A long-time-lag task: how to draw sequences, the loss, which answers are right, and when a run counts as solved.

    A subclass sets ``input_size``, ``output_size`` and ``chance_accuracy``, explains ``T`` in its docstring, and
    implements :meth:`sample`, :meth:`loss` and :meth:`judge`. Most extend one of :class:`ClassificationTask`,
    :class:`RegressionTask` or :class:`LogisticTask`, which implement the last two. This class has everything
    that Lightning's Trainer needs.

    Args:
        T: the axis of the lag.
        splits: the sizes of the splits, and the seed of their sequences; ``None`` means ``default_splits``.

    """

    input_size: int
    """I, the number of input channels."""
    output_size: int
    """O, the number of outputs."""
    readout: Literal["last", "every"] = "last"
    """Whether the model reads out its outputs at the last valid step or at every step."""
    chance_accuracy: float
    """The validation accuracy of the best constant output."""
    chance_loss: float | None = None
    """The validation loss of the best constant output."""
    solved_accuracy: float = 0.99
    """The validation accuracy from which :meth:`solved` returns true, unless a task overrides it."""
    metrics: ClassVar[tuple[Metric, ...]] = ()
    """The declarations of the metrics that :meth:`judge` returns beside ``acc``."""
    recent: int = 0
    """How many of the latest training sequences :meth:`solved` judges, with the outputs of their training step."""
    judges_training_set: ClassVar[bool] = False
    """Whether a validation judges the fixed training set too, for :meth:`solved`."""
    draws_symbols: ClassVar[bool] = False
    """Whether :meth:`sample_symbols` draws the inputs as symbols: a task with a one-hot alphabet may have it."""
    alphabet: tuple[str, ...] = ()
    """The names of the input channels, if exactly one of them is on at each step; empty if the inputs are values."""
    channels: tuple[str, ...] = ()
    """The names of the input channels, if the inputs are values."""
    answers: tuple[str, ...] = ()
    """The names of the outputs, if each of them is a class or a symbol."""
    default_splits: ClassVar[Splits] = Splits()
    """The splits of a task whose constructor gets none; the YAML of the task has the same."""

    def __init__(self, T: int, splits: Splits | None = None) -> None:
        super().__init__()
        self.T = T
        self.splits = self.default_splits if splits is None else splits
        self._training_set: Batch | None = None
        self._validation_set: Batch | None = None
        self._pass: tuple[int, Batch] | None = None  # the number of a pass through it, and the sequences in its order

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences; every random number comes from ``generator``."""

    def sample_symbols(self, n: int, generator: torch.Generator) -> Batch:
        """Draw the sequences of :meth:`sample`, but with the numbers of the symbols as inputs, [n, L].

        Steps after the end of a sequence may hold any symbol.

        Raises:
            NotImplementedError: the task does not declare ``draws_symbols``.

        """
        raise NotImplementedError(f"{type(self).__name__} draws no symbols")

    def with_vectors(self, batch: Batch) -> Batch:
        """Return a batch of symbols with one-hot inputs, [B, L, I]."""
        return batch._replace(inputs=one_hot(batch.inputs, self.input_size, batch.lengths))

    def sample_evaluation(self, n: int, generator: torch.Generator) -> Batch:
        """Draw ``n`` sequences for validation or test: as for training, unless a task validates on longer sequences."""
        return self.sample(n, generator)

    def steps(self, split: Split) -> int:
        """Return about how many steps the longest sequence of a split has, or fewer; nothing is drawn for it.

        The memory that a run needs follows from it. ``T``, unless a task has longer sequences.
        """
        return self.T

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Return the scalar that training minimises: a mean over the sequences. ``outputs`` are those of the model."""

    @property
    def loss_form(self) -> LossForm | None:
        """What :meth:`loss` computes, for those that compute it themselves, such as on-line learning; else ``None``."""
        return None

    def loss_targets(self, batch: Batch) -> Tensor:
        """Return what :meth:`loss` compares the outputs with: all targets, unless a task overrides it."""
        return batch.targets

    @abstractmethod
    def judge(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return the metrics of each sequence, [B] each; a run records their means over the sequences.

        ``acc`` is among them: 1 for a right sequence, 0 for a wrong one, and the share of right answers for a sequence
        with several answers. ``metrics`` declares the others.
        """

    def scored(self, batch: Batch) -> Tensor:
        """Return the steps at which an answer is judged, [B, L], bool: ``mask`` unless a task judges fewer steps."""
        return batch.mask

    def predictions(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return predictions and targets of the scored steps of all sequences, in the shape of torchmetrics.

        Args:
            outputs: of the model, [B, O] or [B, L, O].
            batch: the sequences.

        Returns:
            Class probabilities [N, O] and classes [N] where the targets are classes. Else the values of the output
            units and the wanted values, [N, O], or [N] for one output. N is the number of scored steps.

        """
        targets = batch.targets
        if self.readout == "every":
            scored = self.scored(batch)
            outputs, targets = outputs[scored], targets[scored]
        if not targets.is_floating_point():
            return outputs.softmax(-1), targets  # torchmetrics itself would take scores within [0, 1] as they are
        if self.output_size == 1:
            return outputs.squeeze(-1), targets.squeeze(-1)
        return outputs, targets

    def solved(self, values: Mapping[str, float]) -> bool:
        """Return whether the figures of a validation count as solved.

        Args:
            values: the means of the figures of :meth:`judge`, such as ``val/acc``; ``train/acc`` over the training set
                if ``judges_training_set``; ``recent/acc`` over the latest training sequences, after the first
                ``recent`` of them.

        """
        return values["val/acc"] >= self.solved_accuracy

    def cues(self, batch: Batch) -> Tensor:
        """Return the steps on which the targets depend, [B, L], bool, for pictures; none unless a task overrides it."""
        return torch.zeros_like(batch.mask)

    def wanted(self, batch: Batch) -> Tensor:
        """Return what each output should be, [B, O] or [B, L, O]: 1 for the right class and 0 for all others."""
        if batch.targets.is_floating_point():
            return batch.targets
        return one_hot(batch.targets, self.output_size)

    def draw(self, split: Split, k: int, n: int) -> Batch:
        """Draw batch ``k`` of a split, ``n`` sequences: a pure function of the seed and these three.

        The numbers are drawn in float32 on the CPU. They are returned in PyTorch's default type, in which a model is
        made too.
        """
        return self._drawn(self.sample_evaluation if split in ("val", "test") else self.sample, split, k, n)

    def _drawn(self, sample: Callable[[int, torch.Generator], Batch], split: Split, k: int, n: int) -> Batch:
        with plain_defaults():
            batch = sample(n, stream(self.splits.seed, split, k))
        return batch.cast(torch.get_default_dtype())

    def training_set(self) -> Batch:
        """Return the fixed training set."""
        assert self.splits.train_size is not None
        if self._training_set is None:
            self._training_set = self.draw("train", 0, self.splits.train_size)
        return self._training_set

    def train_batch(self, k: int) -> Batch:
        """Return training batch ``k``, independent of the batches before it.

        Each pass through a fixed set takes the sequences in another order, which the number of the pass decides; a
        batch of the whole set keeps the order of the draw. Batches of one endless sequence are drawn many at a time.
        """
        splits = self.splits
        if splits.train_size is None and splits.batch_size == 1:
            return self._endless.take(k, 1)
        if splits.train_size is None:
            return self.draw("train", k, splits.batch_size)
        drawn = self.training_set()
        batches = splits.train_size // splits.batch_size
        if batches == 1:
            return drawn
        if self._pass is None or self._pass[0] != k // batches:
            self._pass = k // batches, drawn.select(self._order(k // batches))
        start = (k % batches) * splits.batch_size
        return self._pass[1].select(slice(start, start + splits.batch_size))

    def train_sequences(self, first: int, count: int, symbols: bool = False) -> Batch:
        """Return training batches ``first`` to ``first + count − 1`` of one sequence each, as one batch.

        With ``symbols``, the inputs are the numbers of the symbols, [count, L], instead of one-hot vectors.
        """
        if self.splits.train_size is None:
            return (self._endless_symbols if symbols else self._endless).take(first, count)
        chosen = self.training_set().select(self._passes.places(first, count))
        return chosen._replace(inputs=chosen.inputs.argmax(-1)) if symbols else chosen

    def train_dataloader(self) -> BatchStream:
        """Return this rank's share of the endless training batches, from the first that the trainer has not seen."""
        share, world = self._share()
        if self.splits.batch_size % world:
            raise ValueError(f"batch_size must be a multiple of the {world} devices, got {self.splits.batch_size}")
        return BatchStream(lambda k: self.train_batch(k).select(share), first=self._batches_seen)

    def val_dataloader(self) -> list[Chunks]:
        """Return this rank's share of the validation sequences, then of the training set if it is judged too."""
        judged = [Chunks(self._validation_chunk, self.splits.val_size, self.chunk_size, self._share()[0])]
        if self.judges_training_set and self.splits.train_size is not None:
            judged.append(Chunks(self._training_chunk, self.splits.train_size, _CHUNK, self._share()[0]))
        return judged

    def test_dataloader(self) -> Chunks:
        """Return this rank's share of the test sequences."""
        return self._chunks("test", self.splits.test_size)

    @property
    def chunk_size(self) -> int:
        """The most sequences in one draw for validation or test."""
        return max(1, min(_CHUNK, _CHUNK_FLOATS // (self.T * self.input_size)))

    @property
    def block_size(self) -> int:
        """The sequences in one draw for training, where a batch is one sequence of an endless stream."""
        return max(1, min(_CHUNK, _CHUNK_FLOATS // (self.steps("train") * self.input_size)))

    @cached_property
    def _endless(self) -> SingleSequences:
        return SingleSequences(lambda k: self.draw("train", k, self.block_size), self.block_size)

    @cached_property
    def _endless_symbols(self) -> SingleSequences:
        return SingleSequences(lambda k: self._drawn(self.sample_symbols, "train", k, self.block_size), self.block_size)

    @cached_property
    def _passes(self) -> Passes:
        assert self.splits.train_size is not None
        return Passes(self._order, self.splits.train_size)

    def _order(self, number: int) -> Tensor:
        """Return the order of a pass through the fixed training set."""
        assert self.splits.train_size is not None
        return torch.randperm(self.splits.train_size, generator=stream(self.splits.seed, "train", 1 + number))

    def _chunks(self, split: Split, n: int) -> Chunks:
        return Chunks(partial(self.draw, split), n, self.chunk_size, self._share()[0])

    def _validation_chunk(self, k: int, n: int) -> Batch:
        """Draw a chunk for validation; a small one that is the whole split is kept, as it is wanted again and again."""
        if self._validation_set is not None:
            return self._validation_set
        drawn = self.draw("val", k, n)
        if n == self.splits.val_size and drawn.inputs.numel() <= _KEPT_FLOATS:
            self._validation_set = drawn
        return drawn

    def _training_chunk(self, k: int, n: int) -> Batch:
        return self.training_set().select(slice(k * _CHUNK, k * _CHUNK + n))

    def _batches_seen(self) -> int:
        return 0 if self.trainer is None else batches_begun(self.trainer)

    def _share(self) -> tuple[slice, int]:
        """Return this rank's sequences in a batch, and the number of ranks."""
        rank, world = (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)
        return slice(rank, None, world), world


def is_method(bound: Any, function: Any) -> bool:
    """Return whether a method is this function of a class, overridden neither by a subclass nor in the object."""
    return getattr(bound, "__func__", None) is function
