"""Where a population runs: the engine of its cells, the device, and the type of number; all else asks here.

On the CPU that is the native engine, on a GPU the Triton engine: both take all members in one call.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from longlag.engine import Native, Triton
from longlag.engine.kernel_engine import KernelEngine
from longlag.task import Batch

#: What ``engine=`` may be in a population.
ENGINES = ("auto", "native", "triton")
_PRECISIONS = {"32-true": torch.float32, "64-true": torch.float64}
_ON_GPU = ("gpu", "cuda", "auto")
_KEPT_ON_CPU = 2**27  # bytes that a call keeps for the way back
_PART_OF_GPU = 16  # a call keeps one part of so many of its memory; on the way back it takes several times as much


def accelerators() -> tuple[str, ...]:
    """Return what ``trainer.accelerator`` may be in a population on this machine.

    ``auto`` is among them where there is a GPU: elsewhere the machine that runs the job may have one.
    """
    return ("cpu", *_ON_GPU) if torch.cuda.is_available() else ("cpu",)


class Backend(NamedTuple):
    """Where a population runs.

    Args:
        engine: runs the cells of all members.
        device: holds their weights and batches.
        dtype: the type of their weights.

    """

    engine: KernelEngine = Native()
    device: torch.device = torch.device("cpu")
    dtype: torch.dtype = torch.float32

    @classmethod
    def of(cls, engine: str, trainer: Mapping[str, Any]) -> "Backend":
        """Return where runs with these settings train together on this machine.

        Args:
            engine: one of :data:`ENGINES`.
            trainer: the settings of the Trainer, which has one device: Lightning takes the first GPU that it sees.

        """
        gpu = trainer.get("accelerator") in _ON_GPU and torch.cuda.is_available()
        triton = engine == "triton" or (engine == "auto" and gpu)
        return cls(
            Triton() if triton else Native(),
            torch.device("cuda", 0) if gpu else torch.device("cpu"),
            _PRECISIONS.get(str(trainer.get("precision")), torch.float32),
        )

    def refusal(self, cell: Any) -> str | None:
        """Return why the engine does not run a cell here; ``None`` if it does."""
        if not self.engine.fits(cell):
            return f"cell: the {self.engine.name} engine does not run {type(cell).__name__}"
        if (why := self.engine.refusal(cell) or self.engine.place_refusal(self.device, self.dtype)) is not None:
            return why
        try:
            self.engine.prepare(cell, self.dtype)
        except ValueError as error:
            return f"cell: {error}"
        return None

    @property
    def kept(self) -> int:
        """The bytes that a call of the engine may keep for the way back: more members are taken in several calls."""
        if self.device.type == "cpu":
            return _KEPT_ON_CPU
        return int(torch.cuda.get_device_properties(self.device).total_memory) // _PART_OF_GPU

    def moved(self, batches: Sequence[Batch]) -> list[Batch]:
        """Return batches, which were drawn on the CPU, on the device."""
        return list(batches) if self.device.type == "cpu" else moved_together(batches, self.device)


def moved_together(batches: Sequence[Batch], device: torch.device) -> list[Batch]:
    """Return batches on a device; those of one shape go there in one piece, and are parts of that."""
    alike: dict[tuple[torch.Size, ...], list[int]] = {}
    for k, batch in enumerate(batches):
        alike.setdefault(tuple(field.shape for field in batch), []).append(k)
    moved: dict[int, Batch] = {}
    for group in alike.values():
        fields = zip(*(batches[k] for k in group), strict=True)
        there = [torch.stack(of_all).to(device).unbind() for of_all in fields]
        moved |= zip(group, (Batch(*own) for own in zip(*there, strict=True)), strict=True)
    return [moved[k] for k in range(len(batches))]
